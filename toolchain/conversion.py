"""ANN to SNN: same weights and affine parameters, firing thresholds balanced layer after layer.

Source: Schmolli et al., CPAL 2025, Algorithm 1 and section 3.2.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking


def convert(
    ann: ANN,
    calibration: Iterable[Tensor],
    *,
    steps: int,
    calibration_steps: int,
    percentile: float,
    threshold_scale: float,
) -> SNN:
    """Return an SNN whose thresholds follow Algorithm 1.

    ``calibration`` gives image batches (N, C, H, W); per layer the threshold is the largest ``percentile``
    (in percent) of the pre-activations over ``calibration_steps`` steps of any batch, with the layers below
    already spiking at theirs; at the end all thresholds are multiplied by ``threshold_scale`` (lambda).
    """
    snn = SNN(ann.specification, Spiking(steps=calibration_steps))
    snn.load_state_dict(ann.state_dict(), strict=False)
    batches = list(calibration)
    with torch.no_grad():
        _forget_statistics(snn)
        snn.train()
        for node in snn.neuron_nodes():
            values = [_percentile(snn.currents(batch, node.name), percentile) for batch in batches]
            snn.neurons_of(node.name).threshold.fill_(max(values))
        for neurons in snn.neuron_list():
            neurons.threshold.mul_(threshold_scale)
            neurons.clamp_threshold()
        snn.steps = steps
        _estimate_statistics(snn, batches)
    return snn


def _estimate_statistics(snn: SNN, batches: list[Tensor]) -> None:
    """Set the running statistics of batch norm to the mean over the calibration batches."""
    norms = [module for module in snn.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    _forget_statistics(snn)
    for norm in norms:
        norm.momentum = None
    for batch in batches:
        snn(batch)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def _forget_statistics(snn: SNN) -> None:
    for module in snn.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()


def _percentile(values: Tensor, percent: float) -> float:
    rank = max(1, round(values.numel() * percent / 100))
    return float(values.flatten().kthvalue(rank).values)
