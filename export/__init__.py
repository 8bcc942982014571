"""Spiking networks as integers: what they are, how they run, what they are written as. No torch."""
