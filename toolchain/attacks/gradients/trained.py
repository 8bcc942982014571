"""The gradient that the model is trained with."""

from spikeport.toolchain.attacks.gradients.gradient import Gradient


class Trained(Gradient, frozen=True, kw_only=True, tag="trained"):
    """Back-propagation through the model as it is: for a spiking network, through time with its own surrogate."""
