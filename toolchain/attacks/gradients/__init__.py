"""How an attack differentiates a model: one file each, so that every attack runs with every gradient."""
