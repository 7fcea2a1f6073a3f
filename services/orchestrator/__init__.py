"""Cuts files into batches of rows and dispatches them."""
