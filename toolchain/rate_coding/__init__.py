"""Trained ReLU networks as rate-coded spiking networks, without training anything again."""
