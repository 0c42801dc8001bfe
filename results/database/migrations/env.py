"""What Alembic runs to apply revisions: inside the transaction of the connection that it was given."""

from __future__ import annotations

from alembic import context

from results.database.migration import VERSION_TABLE
from results.database.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
context.run_migrations()
