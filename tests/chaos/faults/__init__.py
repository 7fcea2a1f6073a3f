"""What breaks, by kind."""
