"""What a cell of each type may look like, for one value."""
