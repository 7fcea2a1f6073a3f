"""How a table is read: record structure, dialects, headers; `parsers/` turn slices into columns.

The rule is strict RFC 4180 for each record on its own; `exact.py` says it in its plainest form.
"""
