"""The pages of docs/howto, run from top to bottom as a reader would."""
