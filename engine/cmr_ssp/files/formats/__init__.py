"""Image formats and what lies in folders: NIfTI, NRRD, tables, geometry and pixels."""
