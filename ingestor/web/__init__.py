"""Serves the built page: a small process behind the gateway."""
