"""Surrogate gradients: one file each, an object that says the derivative and can be exchanged on a trained network."""
