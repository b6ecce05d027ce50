"""Layouts of data sets, one module each."""
