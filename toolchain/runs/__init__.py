"""Runs of recipes: which stages have to run, the run itself, its cost beforehand, and sweeps."""
