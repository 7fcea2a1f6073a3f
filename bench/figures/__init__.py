"""What a run used, and what is written of it."""
