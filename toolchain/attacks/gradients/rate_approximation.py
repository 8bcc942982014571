"""Rate gradient approximation."""

from contextlib import AbstractContextManager

from torch import Tensor, nn

from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.attacks.gradients.replaced import replaced
from spikeport.toolchain.attacks.gradients.through_rates import RateNeurons
from spikeport.toolchain.nn.neurons import IntegrateAndFire

LEAST = 0.2
"""The slope below the input that makes a neuron fire for ever."""


class RateApproximation(Gradient, frozen=True, kw_only=True, tag="rate_approximation"):
    """The rate as a piecewise linear function of the mean input x, in units of the threshold, with the leak tau.

        dr / dx = (1 - g + g tau) / (tau + 1)   for 1 - tau <= x <= 2
                  g                             for 0 <= x < 1 - tau          g = 0.2
                  0                             elsewhere

    ``dL / di(t) = dr / dx / V_th dL / ds(t)``. The constants were chosen for a hard reset; networks that subtract the
    threshold are differentiated by the same function.

    Source: Bu et al., CVPR 2023 (RGA).
    """

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        return replaced(model, lambda neurons: RateNeurons(neurons, _slope), "rate_approximation")


def _slope(arriving: Tensor, _spikes: Tensor, neurons: IntegrateAndFire) -> Tensor:
    threshold, tau = neurons.threshold.detach(), neurons.tau.detach()
    x = arriving.mean(0, keepdim=True) / threshold
    middle = ((x >= 1 - tau) & (x <= 2)).to(x) * ((1 - LEAST + LEAST * tau) / (tau + 1))
    below = ((x >= 0) & (x < 1 - tau)).to(x) * LEAST
    return (middle + below) / threshold
