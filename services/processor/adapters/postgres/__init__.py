"""The sink that loads rows into tables of PostgreSQL."""
