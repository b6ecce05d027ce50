"""Reusable Qt widgets of the panels."""
