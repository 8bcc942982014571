"""Datasets: a source is a file, with a tagged subclass of `dataset.DataSource`; `loader.py` makes batches."""
