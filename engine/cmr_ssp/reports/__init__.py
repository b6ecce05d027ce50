"""Reports of a segmented exam, for people; what is measured lies in `function`."""
