"""Backward pass through rate."""

from contextlib import AbstractContextManager

from torch import Tensor, nn

from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.attacks.gradients.replaced import replaced
from spikeport.toolchain.attacks.gradients.through_rates import RateNeurons
from spikeport.toolchain.nn.neurons import IntegrateAndFire


class Rate(Gradient, frozen=True, kw_only=True, tag="rate"):
    """The gradient of a neuron's spikes passes to its input, step by step, where the neuron fires at all.

        dL / di(t) = 1[mean_t s(t) > 0] dL / ds(t)

    Source: Ding et al., NeurIPS 2022; the member 'backward pass through rate' of Schmolli et al., appendix A.3. As in
    the code of both, the derivative of the rate is 1, whatever the threshold.
    """

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        return replaced(model, lambda neurons: RateNeurons(neurons, _firing), "rate")


def _firing(_arriving: Tensor, spikes: Tensor, _neurons: IntegrateAndFire) -> Tensor:
    return (spikes.sum(0, keepdim=True) > 0).to(spikes.dtype)
