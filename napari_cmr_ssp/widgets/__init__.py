"""Parts of the dock widget."""
