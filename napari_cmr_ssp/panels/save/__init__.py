"""Saving labels that were edited."""
