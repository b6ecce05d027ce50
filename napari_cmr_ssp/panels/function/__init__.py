"""The Function panel: volumes, ejection fraction and mass of the shown exam, and the report."""
