"""Records, random streams and errors that every other part builds on."""
