"""Contours drawn in other programs, and the areas within them."""
