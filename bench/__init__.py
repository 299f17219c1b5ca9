"""Measurements, each with a peer beside it."""
