"""The slice bank: standardised slices, cached on disk and memory-mapped."""
