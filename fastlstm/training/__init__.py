"""Training: shards over threads, the loop, its callbacks and history."""
