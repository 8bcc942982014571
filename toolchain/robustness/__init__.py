"""Robust accuracy: many attacks on one network, worst case per image, and the same for the integers that are deployed."""
