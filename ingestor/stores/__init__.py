"""Where uploaded files are stored: the port, and one module per kind of store."""
