"""Label volumes: read, placed on their cine, checked for phases, written and imported."""
