"""Checks and loads batches of rows; keeps pipelines."""
