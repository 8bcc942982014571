"""What every surrogate gradient is: a frozen object that replaces the derivative of the Heaviside step."""

from collections.abc import Callable

from torch import Tensor

from spikeport.toolchain.choices import Choice


Compiled = tuple[Callable[..., float], tuple[float, ...]]


class Surrogate(Choice, frozen=True, kw_only=True):
    """The derivative of a spike by the distance ``v - V_th`` of the potential from the threshold."""

    def slope(self, distance: Tensor) -> Tensor:
        """Return the derivative at every ``distance``, of the same shape."""
        raise NotImplementedError

    def compiled(self) -> Compiled | None:
        """Return the same for compiled loops: a function of (distance, *parameters), and the parameters.

        Without one, layers on the CPU take PyTorch's operations, which need more time and memory.
        """
        return None
