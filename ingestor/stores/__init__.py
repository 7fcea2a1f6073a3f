"""Where uploaded files are kept: the port, and one file per kind of store."""
