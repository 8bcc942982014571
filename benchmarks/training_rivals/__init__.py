"""The networks of `benchmarks/training.py` in other frameworks, and their convolutions alone."""
