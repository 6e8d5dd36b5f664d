"""State in, pixels out; touch in, message out."""
