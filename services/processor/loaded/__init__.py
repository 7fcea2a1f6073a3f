"""What a process has loaded, read from its table."""
