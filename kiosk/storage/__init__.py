"""Survives a power cut."""
