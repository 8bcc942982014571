"""Pruners: one file each, each with ``masks(network, ...) -> dict of masks``."""
