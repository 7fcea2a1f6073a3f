"""Turn slices into columns of text; one file per format."""
