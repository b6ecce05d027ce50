"""One module a data set convention."""
