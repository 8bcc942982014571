"""NIR files of any framework: read safely, understood in the dialect of their origin, turned into float networks."""
