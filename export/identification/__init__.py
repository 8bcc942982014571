"""The rules of a NIR file, found from an input and an output that its user recorded in another framework."""
