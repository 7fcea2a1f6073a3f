"""Where the rows of a batch are read and checked."""
