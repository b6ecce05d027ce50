"""Between files and napari: readers, writer, samples, and what a job has made."""
