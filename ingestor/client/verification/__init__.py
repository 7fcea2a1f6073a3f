"""Verifying a process, and the keys of receipts."""
