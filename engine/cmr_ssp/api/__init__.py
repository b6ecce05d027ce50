"""Functions for scripts and notebooks, with paths, preset names and plain numbers as arguments.

`cmr_ssp` exports these functions. Training, segmentation and evaluation call the function of `cmr_ssp.jobs`
with the same name, which has more settings.
"""
