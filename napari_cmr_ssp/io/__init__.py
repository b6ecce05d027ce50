"""Readers, writer and sample data for napari, and the results of jobs."""
