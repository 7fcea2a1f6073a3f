"""Upserts: how rows get in by their key, and how those that are replaced are kept."""
