"""The tables of the database as Alembic makes and changes them."""
