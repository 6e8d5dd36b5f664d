"""One device, one file."""
