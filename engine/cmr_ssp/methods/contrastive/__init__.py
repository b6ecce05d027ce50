"""Shared by SimCLR and PCL."""
