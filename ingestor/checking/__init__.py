"""The column engine: checks the rows of a slice by column and converts the good ones."""
