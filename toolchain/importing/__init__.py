"""Networks of others as specifications with their weights."""
