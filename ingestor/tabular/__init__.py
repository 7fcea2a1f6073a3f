"""How a table is read: record structure, dialects, headers; `parsers/` turn slices into columns.

The rule is strict RFC 4180 for each record on its own; `records/exact.py` states it in its simplest form.
"""
