"""How services learn that a process was deleted or has expired, and remove their records of it."""
