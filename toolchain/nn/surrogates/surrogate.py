"""What every surrogate gradient is: a frozen object that replaces the derivative of the Heaviside step."""

from torch import Tensor

from spikeport.toolchain.choices import Choice


class Surrogate(Choice, frozen=True, kw_only=True):
    """The derivative of a spike by the distance ``v - V_th`` of the potential from the threshold."""

    def slope(self, distance: Tensor) -> Tensor:
        """Return the derivative at every ``distance``, of the same shape."""
        raise NotImplementedError
