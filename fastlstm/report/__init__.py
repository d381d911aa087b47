"""A page about a training run, and what pages are made of."""
