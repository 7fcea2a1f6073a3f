"""Links between the suite and what it depends on, which can be made slow, cut, or untrue."""
