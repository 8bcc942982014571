"""From images to a float spiking network, in PyTorch; the only package that imports torch."""
