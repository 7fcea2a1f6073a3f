"""Sending the batches of a file, a few at a time."""
