"""Label versions and their metadata."""
