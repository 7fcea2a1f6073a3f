"""Other tools beside the suite, on the same file and the same PostgreSQL: `python -m bench.peers`."""
