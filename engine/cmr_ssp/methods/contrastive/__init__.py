"""What SimCLR and PCL share."""
