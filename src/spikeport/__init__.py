"""spikeport: sparse, robust spiking networks to Loihi integers, NIR, ONNX and Lava, and what they cost on a chip."""
