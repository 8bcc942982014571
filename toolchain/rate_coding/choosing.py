"""Which thresholds and which shift serve a network best: the spiking network's logits against the ReLU network's."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from spikeport.export.errors import QuantizationError
from spikeport.export.executors import fast, floating
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.network import Array, FloatNetwork, IntegerNeuron
from spikeport.export.passes import folded
from spikeport.export.progress import Progress
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import scores
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.rate_coding.coding import Reset, rate_coded
from spikeport.toolchain.rate_coding.thresholds import thresholds

PERCENTILES = (99.0, 99.9, 100.0)
SHIFTS = (0.0, 0.25, 0.5)
BATCH = 50
MOST_IN_FLOAT = 100
"""Images on which a float network is tried: it runs at a cost that follows its weights, integers at that of spikes."""
SILENT = 1.0
"""The threshold of a population that gives nothing on any calibration image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """The network, its thresholds, and how they were chosen.

    ``error`` is ``|y - Y| / |Y|`` over the calibration images, with the logits y of the integers, or of the float
    network where none are asked for, and Y of the ReLU network, each without its mean over several classes. ``tried``
    has the error of every (percentile, shift), infinite where no integers hold the network; ``notes`` name populations
    that give nothing on any image.
    """

    network: FloatNetwork
    thresholds: dict[str, float]
    percentile: float
    shift: float
    error: float
    tried: dict[tuple[float, float], float]
    notes: tuple[str, ...] = ()


def choose(
    ann: ANN,
    images: Stimulus,
    *,
    steps: int,
    percentiles: Sequence[float] = PERCENTILES,
    shifts: Sequence[float] = SHIFTS,
    scale: float = 1.0,
    reset: Reset = "subtractive",
    weight_bits: int | None = None,
) -> Chosen:
    """Return the network with the smallest error among all pairs of a percentile and a shift.

    ``images`` are held levels 0..255; ``scale`` multiplies all thresholds. With ``weight_bits`` integers are tried,
    else the float network. Raises `QuantizationError` where no pair gives integers.
    """
    levels = thresholds(ann, pixels(images, ann), percentiles)
    compared = images if weight_bits is not None else images.first(MOST_IN_FLOAT)
    wanted = logits(ann, pixels(compared, ann))
    made: dict[tuple[float, float], tuple[FloatNetwork, dict[str, float], float]] = {}
    refused: QuantizationError | None = None
    for percentile, shift in Progress("thresholds").track(list(product(percentiles, shifts))):
        found = {name: (level or SILENT) * scale for name, level in levels[percentile].items()}
        network = rate_coded(ann, found, steps=steps, shift=shift, reset=reset)
        try:
            error = _error(network, compared, wanted, weight_bits)
        except QuantizationError as reason:
            error, refused = np.inf, reason
        made[percentile, shift] = network, found, error
    best = min(made, key=lambda pair: made[pair][2])
    if refused is not None and not np.isfinite(made[best][2]):
        raise refused
    network, found, error = made[best]
    silent = [name for name, level in levels[best[0]].items() if level == 0]
    return Chosen(
        network=network,
        thresholds=found,
        percentile=best[0],
        shift=best[1],
        error=error,
        tried={pair: each[2] for pair, each in made.items()},
        notes=tuple(f"{name} gives nothing on any calibration image; its threshold is {SILENT:g}" for name in silent),
    )


def pixels(images: Stimulus, ann: ANN) -> list[Tensor]:
    """Return levels 0..255 as batches of pixels in [0, 1], in the network's precision."""
    values = torch.from_numpy(np.asarray(images.values, np.float64) / 255).to(ann.mean.dtype)
    return [values[start : start + BATCH] for start in range(0, len(values), BATCH)]


@torch.no_grad()
def logits(ann: ANN, batches: Sequence[Tensor]) -> Array:
    """Return the logits (N, classes) of the ReLU network."""
    return np.asarray(torch.cat([ann(batch) for batch in batches]).double().numpy())


def _error(network: FloatNetwork, images: Stimulus, wanted: Array, weight_bits: int | None) -> float:
    plain = folded(network)
    if weight_bits is None:
        potentials = scores(floating.steps(plain, images), plain, len(images))
    else:
        integers = quantize(plain, weight_bits=weight_bits)
        neuron = integers.readout.neuron
        assert isinstance(neuron, IntegerNeuron)
        potentials = scores(fast.steps(integers, images), integers, len(images))
        potentials = potentials / (neuron.scale * 2**ACTIVATION_SHIFT)
    found = potentials / network.steps
    difference = _centred(found) - _centred(wanted)
    return float(np.linalg.norm(difference) / max(np.linalg.norm(_centred(wanted)), np.finfo(float).tiny))


def _centred(values: Array) -> Array:
    """Return logits without their mean over the classes, which decides nothing; one output has no others."""
    if values.shape[1] == 1:
        return values
    return np.asarray(values - values.mean(1, keepdims=True))
