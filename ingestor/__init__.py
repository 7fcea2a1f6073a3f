"""Data Ingestor: what its services share and what users import."""
