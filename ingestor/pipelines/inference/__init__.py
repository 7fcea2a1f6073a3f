"""What the columns of a file hold, found from a sample, and the pipeline that loads it."""
