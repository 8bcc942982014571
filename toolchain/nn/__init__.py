"""Layers, neurons and the networks that the training stages are about."""
