"""The panels of the workbench."""
