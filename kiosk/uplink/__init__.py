"""To the district and back."""
