"""Decides. Pure: no clock, thread, file, log or device."""
