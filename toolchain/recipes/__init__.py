"""Recipes: what reads a TOML file as typed stages, and the recipes that come with spikeport."""
