"""The Data panel: subjects of a cohort, ticks, and sorting of DICOM exams."""
