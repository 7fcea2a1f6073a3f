"""Converts and examines files for the upload service, as a program of its own without a database."""
