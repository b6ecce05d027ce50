"""Jobs in background threads, and the bar that shows them."""
