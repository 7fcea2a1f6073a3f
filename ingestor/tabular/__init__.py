"""Reads tables: `records/` finds records and headers, `files/` opens and converts files, `parsers/` read
slices.

Each record is held to strict RFC 4180, whatever came before it; `records/exact.py` is the reference.
"""
