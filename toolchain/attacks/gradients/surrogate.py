"""Back-propagation through time with another surrogate gradient than the one that the model was trained with."""

from contextlib import AbstractContextManager
from typing import cast

from torch import nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate


class OtherSurrogate(Gradient, frozen=True, kw_only=True, tag="surrogate"):
    """The attack sees ``surrogate`` in every population; the model has its own again afterwards.

    Source: Schmolli et al., section 4.2 and appendix A.3, one member of the ensemble.
    """

    surrogate: Surrogate = PiecewiseLinear()

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        exchange = getattr(model, "surrogate", None)
        if exchange is None:
            raise AttackError(
                f"the gradient 'surrogate' needs a spiking network, not {type(model).__name__}; use kind = \"trained\""
            )
        return cast("AbstractContextManager[None]", exchange(self.surrogate))
