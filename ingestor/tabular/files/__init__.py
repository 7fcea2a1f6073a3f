"""Opens files of any format: containers, encodings, conversion, samples."""
