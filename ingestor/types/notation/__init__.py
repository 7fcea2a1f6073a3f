"""How values are written: marks of numbers, patterns of dates, JSON."""
