"""Reports: which rows of a process, in which kind of file."""
