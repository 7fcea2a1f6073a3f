"""Delimits records in bytes: dialect, header, slices."""
