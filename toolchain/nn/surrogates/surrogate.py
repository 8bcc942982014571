"""What every surrogate gradient is: a frozen object that replaces the derivative of the Heaviside step."""

import math
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta
from torch import Tensor

from spikeport.export.errors import RecipeError
from spikeport.toolchain.choices import Choice, tag_of

Positive = Annotated[float, Meta(gt=0)]
Compiled = tuple[Callable[..., float], tuple[float, ...]]


class Surrogate(Choice, frozen=True, kw_only=True):
    """The derivative of a spike by the distance ``v - V_th`` of the potential from the threshold.

    Parameters are positive numbers, in units of the potential; `RecipeError` names one that is not.
    """

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise RecipeError(f"surrogate {tag_of(self)}: {name} is {value}; expected a number above 0")

    def slope(self, distance: Tensor) -> Tensor:
        """Return the derivative at every ``distance``, of the same shape."""
        raise NotImplementedError

    def compiled(self) -> Compiled | None:
        """Return the same for compiled loops: a function of (distance, *parameters), and the parameters.

        The function is decorated with ``numba.extending.register_jitable`` and uses its arguments alone. Without one,
        layers on the CPU take PyTorch's operations, which need more time and memory.
        """
        return None
