"""What is shown in the viewer: layers, and which of them were edited."""
