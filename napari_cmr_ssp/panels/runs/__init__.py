"""The Runs panel: runs of the workspace and their scores."""
