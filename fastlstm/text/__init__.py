"""From documents to token ids: reading, tokenising, the vocabulary."""
