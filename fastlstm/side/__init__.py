"""What stands beside a text: the other columns of a table, or vectors."""
