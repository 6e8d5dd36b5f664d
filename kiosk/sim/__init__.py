"""Devices without hardware, for laptops, demonstrations and tests."""
