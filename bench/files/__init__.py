"""The files that are loaded, and ledgers that are written directly."""
