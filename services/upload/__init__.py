"""Takes files from clients, keeps them, and hands complete ones on."""
