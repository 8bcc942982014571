"""What samples show of the network that takes them: how many steps they have, and the highest count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spikeport.export.network import Array, Shape
from spikeport.export.numbers import STEPS
from spikeport.export.stimulus import files
from spikeport.export.stimulus.content import Sample
from spikeport.export.stimulus.content import sample as sample_of
from spikeport.export.stimulus.definition import Intake
from spikeport.export.stimulus.encoding import looks_like_pixels
from spikeport.export.stimulus.events import Events, bins_of, framed
from spikeport.export.stimulus.settings import InputSettings


@dataclass(frozen=True, kw_only=True)
class Observed:
    """``steps``: of the longest sample, None where samples are held; ``highest``: count, None where they are none."""

    steps: int | None = None
    highest: int | None = None


def observed(
    values: Array | Sequence[Array] | Path | str, intake: Intake, settings: InputSettings | None = None
) -> Observed:
    """Return what samples show, given as `spikeport.export.stimulus.stimulus` takes them; ``intake`` has their shape.

    Counts are events in bins, and whole numbers above 1 that do not look like pixels; with a unit of the input other
    than 1, or an encoder, numbers are no counts. Raises the errors of reading.
    """
    chosen = settings or InputSettings()
    if chosen.input_as is not None or intake.source.coding is not None:
        return Observed()
    if isinstance(values, Path | str):
        samples = files.read(Path(values)).samples
    else:
        samples = sample_of(values) if isinstance(values, np.ndarray) else [np.asarray(each) for each in values]
    if isinstance(samples, np.ndarray):
        found = [Observed(steps=_steps(samples, intake.shape, 1), highest=_highest(samples))]
    else:
        found = [_of_sample(sample, intake, chosen, number) for number, sample in enumerate(samples)]
    counts = [each.highest for each in found]
    highest = None if None in counts else max((count for count in counts if count is not None), default=None)
    steps = max((each.steps for each in found if each.steps is not None), default=None)
    return Observed(steps=steps, highest=highest if chosen.unit in (None, 1.0) else None)


def _of_sample(sample: Sample, intake: Intake, settings: InputSettings, number: int) -> Observed:
    if not isinstance(sample, Events):
        return Observed(steps=_steps(sample, intake.shape, 0), highest=_highest(sample))
    bins, _ = bins_of(sample, replace(intake, steps=int(STEPS.most)), settings, number)
    counts = framed(sample, replace(intake, steps=bins), settings, number).counts
    return Observed(steps=bins, highest=int(counts.max(initial=0)))


def _steps(values: Array, shape: Shape, before: int) -> int | None:
    """Return the length of the axis of time, behind ``before`` others; None where samples are held or do not fit."""
    signal = (shape[0], shape[2]) if len(shape) == 3 and shape[1] == 1 else shape
    for inner in (shape, signal):
        if values.ndim == before + 1 + len(inner) and values.shape[before + 1 :] == inner:
            return int(values.shape[before])
    return None


def _highest(values: Array) -> int | None:
    """Return the largest of whole numbers that do not look like pixels."""
    if values.dtype.kind == "b":
        return 1
    whole = values.dtype.kind in "iu" or (values.dtype.kind == "f" and bool(np.all(values == np.rint(values))))
    if not whole or not values.size or values.min() < 0 or looks_like_pixels(values):
        return None
    return int(values.max())
