"""Reconstructions of masked image modelling."""
