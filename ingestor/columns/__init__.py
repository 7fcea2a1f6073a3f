"""Columns in memory: Arrow arrays, and text with its bytes in view."""
