"""Keeps the processes of the suite on one machine running."""
