"""ANN to SNN: same weights and affine parameters, firing thresholds balanced layer after layer.

Source: Schmolli et al., CPAL 2025, Algorithm 1 and section 3.2.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain.conversion.exact_percentile import rank_of, value_of_rank
from spikeport.toolchain.conversion.kept_values import MEMORY, Room
from spikeport.toolchain.conversion.layerwise import Currents, Layerwise, Moments
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.moments import followed, of_sums, running
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import Node
from spikeport.toolchain.nn.spiking import Spiking


def convert(
    ann: ANN,
    calibration: Iterable[Tensor],
    *,
    steps: int,
    calibration_steps: int,
    percentile: float,
    threshold_scale: float,
    spiking: Spiking | None = None,
    statistics: Literal["spiking", "ann"] = "spiking",
    memory: int = MEMORY,
) -> SNN:
    """Return an SNN whose thresholds follow Algorithm 1.

    ``calibration`` gives image batches (N, C, H, W); per layer the threshold is the largest ``percentile``
    (in percent) of the pre-activations over ``calibration_steps`` steps of any batch, with the layers below
    already spiking at theirs; at the end all thresholds are multiplied by ``threshold_scale`` (lambda). ``spiking``
    says leak, reset and surrogate; ``steps`` is T. ``statistics`` of batch norm are those of the batch in calibration
    and then the mean over the calibration batches with the final thresholds, or the ANN's from beginning to end, which
    suit a network that is not finetuned. Every layer is computed once a batch; ``memory`` bytes of values stay in
    memory, the rest goes to the system's temporary folder. `TrainingError` where there is no batch to calibrate with.
    """
    batches = list(calibration)
    if not batches:
        raise TrainingError("conversion has no batch of images to calibrate with; expected one at least")
    snn = _same_weights(ann, msgspec.structs.replace(spiking or Spiking(), steps=calibration_steps))
    of_ann = statistics == "ann"

    def balance(node: Node, currents: list[Currents]) -> None:
        values = [_percentile(each, percentile) for each in currents]
        snn.neurons_of(node.name).threshold.fill_(max(values))

    _run(snn, batches, memory, running if of_ann else of_sums, balance, "calibrate thresholds")
    with torch.no_grad():
        for neurons in snn.neuron_list():
            neurons.threshold.mul_(threshold_scale)
            neurons.clamp_threshold()
    snn.steps = steps
    if not of_ann:
        _estimate_statistics(snn, batches, memory)
    return snn.train()


def _same_weights(ann: ANN, spiking: Spiking) -> SNN:
    """Return an SNN with the ANN's parameters, masks and statistics, on its device."""
    example = next(ann.parameters())
    snn = SNN(ann.specification, spiking).to(example.device, example.dtype)
    missing, unexpected = snn.load_state_dict(ann.state_dict(), strict=False)
    left = [*unexpected, *(name for name in missing if not name.startswith("neurons."))]
    if left:
        raise TrainingError(f"the ANN's state and the SNN's differ in {', '.join(left)}")
    return snn


def _estimate_statistics(snn: SNN, batches: list[Tensor], memory: int) -> None:
    """Set the running statistics of batch norm to the mean over the calibration batches."""
    norms = [module for module in snn.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    _run(snn, batches, memory, followed, lambda *_: None, "estimate statistics")
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def _run(
    snn: SNN,
    batches: list[Tensor],
    memory: int,
    moments: Moments,
    before_firing: Callable[[Node, list[Currents]], None],
    title: str,
) -> None:
    with Room(memory) as room:
        Layerwise(snn=snn, batches=batches, steps=snn.steps, room=room, moments=moments).run(before_firing, title)


def _percentile(currents: Currents, percent: float) -> float:
    """Return the percentile over all values of a batch: images, steps, neurons; of a held current's one step."""
    steps = currents.kept.steps
    count = steps * math.prod(currents.kept.shape)
    return value_of_rank(lambda: (part for *_, part in currents.parts(steps)), currents.normal, rank_of(count, percent))
