"""Lava behind a process boundary: its own Python 3.10, a supervisor here and a worker there."""
