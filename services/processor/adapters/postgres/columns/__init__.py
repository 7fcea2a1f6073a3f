"""Columns of tables that exist already: their types, which fields may go into them, and which values fit."""
