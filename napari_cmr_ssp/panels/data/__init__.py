"""Subjects of a cohort, their ticks, and how DICOM exams are sorted."""
