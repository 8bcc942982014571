"""What an attack raises: a loss per image, one file each."""
