"""Pipeline documents: how a file's columns become a table's."""
