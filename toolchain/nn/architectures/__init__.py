"""The architectures of the papers as specifications: one file each."""
