"""What a search believes about candidates that it has not evaluated, and how it chooses among them."""
