"""Versions of labels, and where each comes from."""
