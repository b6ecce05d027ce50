"""Disk to subjects and back: image formats, and one module a data set convention."""
