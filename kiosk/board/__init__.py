"""The Pi itself: clock, keys, watchdog."""
