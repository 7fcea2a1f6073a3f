"""What became of every row of a process, batch by batch, for a verification."""
