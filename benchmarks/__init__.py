"""Measurements, run by hand with ``make bench`` and never by the tests."""
