"""What protobuf's own library lacks."""
