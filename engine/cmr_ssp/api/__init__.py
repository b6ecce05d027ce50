"""The stages as a script or a notebook calls them: with paths, names of presets and plain numbers.

`cmr_ssp` offers these functions. Each training, segmentation or evaluation calls the function of
`cmr_ssp.jobs` of the same name, which has more settings.
"""
