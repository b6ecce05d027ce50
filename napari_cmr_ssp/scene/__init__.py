"""Layers in the viewer, and their edits."""
