"""The district's end: takes events in once, verifies them, and signs for them."""
