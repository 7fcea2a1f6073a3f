"""Limits on what a tenant may use, and on what a key is for."""
