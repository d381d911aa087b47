"""What fits a whole classifier and what it is made of."""
