"""File formats: one file each, each with ``write(network, path)`` and, where it can be read, ``read(path)``."""
