"""The command: a file for the verbs of each kind, options that they share, and how a verb ends."""
