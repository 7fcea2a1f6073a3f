"""Receipts: what a verification of a process has found, signed, and checked later without the suite."""
