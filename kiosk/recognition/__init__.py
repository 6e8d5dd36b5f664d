"""Frame in, probe out."""
