"""Whether a suite grows while it loads many files and a large one."""
