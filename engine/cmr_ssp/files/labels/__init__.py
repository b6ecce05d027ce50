"""Label files: read, match with frames and phases, write and import."""
