"""Verifies a process: whether the stored file, the ledger and the table agree, row by row."""
