"""Input encoders of spiking networks: one file each."""
