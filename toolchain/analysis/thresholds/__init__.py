"""How near the potentials of a spiking network are to their thresholds, and which changes flip its spikes."""
