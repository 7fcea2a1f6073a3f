"""How services learn that a process was deleted or has expired, and remove their parts of it."""
