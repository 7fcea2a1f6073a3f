"""Reports: which rows of a process they contain, and their file formats."""
