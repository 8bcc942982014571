"""Conversion-based approximation: the gradient of the ReLU network that has the spiking network's weights."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.attacks.gradients.replaced import normal_of, normalized, replaced
from spikeport.toolchain.nn.neurons import IntegrateAndFire, Spikes
from spikeport.toolchain.nn.spiking import Spiking


class Conversion(Gradient, frozen=True, kw_only=True, tag="conversion"):
    """The loss and its gradient are those of the ReLU twin: same weights and batch norm, ``relu(x / V_th)`` per neuron.

    A neuron that is given x in every step fires at most once a step and about x / V_th times, so the twin's values are
    rates, on which batch norm's statistics and the next weights were trained. Without ``thresholds`` it is
    ``relu(x)``, as in the code of Ozdenizci and Legenstein. Where inputs differ from step to step, x is their mean.

    Source: Sharmin et al., IJCNN 2019; the member 'conversion-based approximation' of Schmolli et al., appendix A.3.
    """

    thresholds: bool = True

    @property
    def own_forward(self) -> bool:
        return False

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        return replaced(model, lambda neurons: _Rectifier(neurons, thresholds=self.thresholds), "conversion")


class _Rectifier(nn.Module):
    def __init__(self, neurons: IntegrateAndFire, *, thresholds: bool) -> None:
        super().__init__()
        self.neurons, self.thresholds = neurons, thresholds

    def forward(
        self, current: Tensor, spiking: Spiking, *, norm: nn.BatchNorm2d | None = None, pool: int = 1
    ) -> Spikes:
        del spiking, pool
        current = current.mean(0, keepdim=True)
        values = torch.relu(normalized(current, normal_of(current, norm)))
        return Spikes(values / self.neurons.threshold.detach() if self.thresholds else values)
