"""Image datasets: one file each, each with a function ``load() -> Dataset``."""
