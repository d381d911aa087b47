"""Word vectors: given, or learned from plain text."""
