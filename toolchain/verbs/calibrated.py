"""Levels and steps that calibration samples show, where neither the network's file nor an option says them."""

from collections.abc import Callable
from dataclasses import dataclass

from spikeport.export.errors import FormatError
from spikeport.export.network import FloatNetwork, Network, Source
from spikeport.export.stimulus import InputSettings, Intake, Stimulus
from spikeport.export.stimulus.observed import Observed, observed
from spikeport.toolchain.verbs.sources import AnyInput


@dataclass(frozen=True, kw_only=True)
class Told:
    """Steps, levels and unit as options or samples say them, and ``notes`` of what was taken from samples."""

    steps: int | None
    levels: int | None
    unit: float | None
    notes: tuple[str, ...] = ()


def told(
    given: Told, read: Callable[[int | None], Network], calibration: AnyInput | None, reading: InputSettings | None
) -> Told:
    """Return ``given`` with what ``calibration`` shows beside; an option wins, and samples that contradict are refused.

    ``read`` returns the network with so many steps, its own for None. Steps are taken where the file has none; levels
    where the network takes spikes and the samples are counts above 1: the highest, of unit 1.
    """
    if calibration is None or isinstance(calibration, Stimulus):
        return given
    steps, network, found = _steps(given, read, calibration, reading)
    told_steps = f"T is {steps} steps: those of the calibration samples; --steps takes another number"
    notes = (told_steps,) if steps != given.steps else ()
    levels = _levels(given, network, found)
    if levels is None:
        return Told(steps=steps, levels=given.levels, unit=given.unit, notes=notes)
    told_levels = (
        f"input levels are 0..{levels} of 1 each: the highest count of the calibration samples; --levels takes another"
    )
    return Told(steps=steps, levels=levels, unit=1.0, notes=(*notes, told_levels))


def _steps(
    given: Told, read: Callable[[int | None], Network], calibration: AnyInput, reading: InputSettings | None
) -> tuple[int | None, Network, Observed]:
    """Return the steps, the network, and what the samples show; raises what reading the network does."""
    try:
        network = read(given.steps)
    except FormatError:
        if given.steps is not None:
            raise
        network = read(1)
        found = observed(calibration, Intake.of(network), reading)  # type: ignore[arg-type]
        if found.steps is None:
            raise
        return found.steps, network, found
    return given.steps, network, observed(calibration, Intake.of(network), reading)  # type: ignore[arg-type]


def _levels(given: Told, network: Network, found: Observed) -> int | None:
    """Return the levels that counts show of a network that takes spikes as far as it was told."""
    source = network.source.neuron
    assert isinstance(source, Source)
    spikes = isinstance(network, FloatNetwork) and (source.levels, source.unit) == (1, 1.0)
    asked = given.levels is not None or given.unit not in (None, 1.0)
    return None if asked or not spikes or found.highest is None or found.highest < 2 else found.highest
