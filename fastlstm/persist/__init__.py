"""The model file: how it is written, checked, read and brought up to date."""
