"""Other ways to load than an append of CSV, and how fast they are."""
