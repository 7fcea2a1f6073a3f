"""TLS of the suite on one machine: its CA, and what shows its certificates."""
