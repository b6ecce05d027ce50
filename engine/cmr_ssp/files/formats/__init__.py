"""File formats: NIfTI, NRRD, tables, folders, geometry and pixels."""
