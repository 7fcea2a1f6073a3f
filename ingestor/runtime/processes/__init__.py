"""Work of a caller in processes that may die: of memory, of time, of a crash in a library."""
