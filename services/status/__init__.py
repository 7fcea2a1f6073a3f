"""Where every process and every row stands: the ledger, reports, events."""
