"""Event lists -> frames of counts, cut in time exactly as tonic's ``ToFrame`` does."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array, Shape
from spikeport.export.numbers import described
from spikeport.export.stimulus.definition import LARGEST_IMAGES, Intake
from spikeport.export.stimulus.settings import InputSettings

FIELDS = {
    "x": ("x", "xs", "units"),
    "y": ("y", "ys"),
    "t": ("t", "ts", "timestamp", "timestamps", "times"),
    "p": ("p", "ps", "on", "pol", "polarity"),
}
"""The columns of an event list, and what files call them."""
SECONDS = "times"
"""A column of times that holds seconds: SHD and SSC have ``spikes/times`` and ``spikes/units``."""
LONG = 60_000_000
"""Microseconds from which on a sample is longer than those of any known set."""
Sensor = tuple[int, int, int]
"""Polarities, height and width."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """A recording: columns of equal length; ``t`` in microseconds, ``polarity`` 0 or 1; no ``y`` means one row."""

    x: Array
    y: Array | None
    t: Array
    polarity: Array | None

    def __len__(self) -> int:
        return len(self.t)

    @property
    def duration(self) -> int:
        """Microseconds from the first event to the last."""
        return int(self.t.max() - self.t.min()) if len(self) else 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Counts (F, *shape).

    ``left_out`` events lie behind the last bin. ``merged``: two polarities in one channel. ``short``: the recording
    lasts less than one bin.
    """

    counts: Array
    left_out: int
    merged: bool
    short: bool


def is_event_list(names: tuple[str, ...] | list[str] | None) -> bool:
    """Return whether ``names`` are those of an event list's columns."""
    return names is not None and all(_column(names, key) is not None for key in ("x", "t"))


def events_of(columns: Mapping[str, Array]) -> Events:
    """Return an event list from its columns, or from the fields of a structured array."""
    names = list(columns)
    found = {key: _column(names, key) for key in FIELDS}
    given = {key: columns[name] for key, name in found.items() if name is not None}
    shapes = {key: each.shape for key, each in given.items()}
    if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1:
        raise StimulusError(f"the columns of the event list have shapes {shapes}; expected one length for all")
    x = _whole(given["x"], "x")
    t = _from_seconds(given["t"]) if found["t"] == SECONDS else _whole(given["t"], "t")
    y = _whole(given["y"], "y") if "y" in given else None
    return Events(x=x, y=y, t=t, polarity=_polarity(given["p"]) if "p" in given else None)


def structured(array: Array) -> Events:
    """Return an event list from a structured array with fields x, y, t and p, in any order."""
    names = array.dtype.names or ()
    if not is_event_list(names):
        raise StimulusError(f"the input has fields {', '.join(names)}; expected an event list with x, y, t and p")
    return events_of({name: array[name] for name in names})


def framed(events: Events, intake: Intake, settings: InputSettings, sample: int) -> Frames:
    """Return the frames of a recording; number ``sample`` names it in messages.

    Bins begin at the first event: bin i holds the events with ``t0 + i w <= t < t0 + (i + 1) w``. With a length w there
    are ``floor(duration / w)`` bins, at least one (``ceil`` where incomplete ones count); with a number of bins,
    ``w = floor(duration / number)``. Events behind the last bin are left out.
    """
    sensor = _sensor(intake.shape, rows=events.y is not None)
    _check_places(events, sensor, sample)
    count, width = bins_of(events, intake, settings, sample)
    polarities, height, across = sensor
    size = polarities * height * across
    if 8 * count * size > LARGEST_IMAGES:
        raise StimulusError(f"sample {sample}: {count:,} frames of shape {intake.shape} do not fit in memory")
    index = (events.t - events.t.min()) // width if len(events) else events.t
    inside = index < count
    row = np.zeros_like(events.x) if events.y is None else events.y
    place = (row * across + events.x) + index * size
    if polarities == 2:
        place += _needed(events, intake.shape, sample) * height * across
    counts = np.bincount(place[inside], minlength=count * size)
    merged = polarities == 1 and events.polarity is not None and len(np.unique(events.polarity)) > 1
    return Frames(
        counts=counts.astype(np.min_scalar_type(int(counts.max(initial=0)))).reshape(count, *intake.shape),
        left_out=int(len(events) - inside.sum()),
        merged=merged,
        short=len(events) > 1 and events.duration < width,
    )


def bins_of(events: Events, intake: Intake, settings: InputSettings, sample: int) -> tuple[int, int]:
    """Return the number of bins and their length in microseconds."""
    width, duration = settings.microseconds(), events.duration
    if settings.frames is not None:
        if settings.frames > intake.steps:
            raise StimulusError(
                f"{settings.frames} frames were asked for; the network runs {intake.steps} steps a sample: give at "
                f"most so many, or import it with --steps {settings.frames}"
            )
        if len(events) and duration < settings.frames:
            raise StimulusError(f"sample {sample} lasts {duration} us, too short for {settings.frames} bins")
        return settings.frames, max(1, duration // settings.frames)
    if width is None:
        raise StimulusError(
            "the input is a list of events; say how they become steps: --bin 1ms (the length of a step) or "
            f"--frames {intake.steps} (so many equal bins)"
        )
    count = max(1, -(-duration // width) if settings.incomplete else duration // width)
    if count > intake.steps:
        least = -(-duration // intake.steps) if settings.incomplete else duration // (intake.steps + 1) + 1
        nanoseconds = "if t counts nanoseconds, divide it by 1000; else " if duration >= LONG else ""
        raise StimulusError(
            f"sample {sample} lasts {duration:,} us, {count:,} bins of {width:,} us; the network runs {intake.steps} "
            f"steps a sample: {nanoseconds}import it with --steps {count}, or take bins of at least {least:,} us"
        )
    return count, width


def _sensor(shape: Shape, *, rows: bool) -> Sensor:
    """Return polarities, height and width of the sensor whose events a source of ``shape`` takes."""
    if rows and len(shape) == 3 and shape[0] in (1, 2):
        return (shape[0], shape[1], shape[2])
    if rows and len(shape) == 2:
        return (1, *shape)
    if not rows and len(shape) == 1:
        return (1, 1, shape[0])
    if not rows and len(shape) in (2, 3) and shape[0] in (1, 2) and all(side == 1 for side in shape[1:-1]):
        return (shape[0], 1, shape[-1])
    expected = "(2, height, width) or (1, height, width)" if rows else "(width,), (1, width) or (2, width)"
    raise StimulusError(f"the network's input has shape {shape}; an event list needs {expected}")


def _check_places(events: Events, sensor: Sensor, sample: int) -> None:
    height, width = sensor[1:]
    outside = (events.x < 0) | (events.x >= width)
    if events.y is not None:
        outside |= (events.y < 0) | (events.y >= height)
    if outside.any():
        number = int(np.argmax(outside))
        where = f"x {events.x[number]}" + ("" if events.y is None else f", y {events.y[number]}")
        raise StimulusError(
            f"sample {sample}: event {number} lies at {where}; the network takes {width} x {height} (width x height): "
            "crop or downsample the events, as the network's training data were"
        )


def _needed(events: Events, shape: Shape, sample: int) -> Array:
    if events.polarity is None:
        raise StimulusError(f"sample {sample}: its events have no polarity; the network takes two, {shape}")
    return events.polarity


def _column(names: tuple[str, ...] | list[str], key: str) -> str | None:
    return next((name for name in FIELDS[key] if name in names), None)


def _whole(values: Array, name: str) -> Array:
    """Return a column as 64-bit integers."""
    what = f"the events' column {name!r}"
    if values.dtype.kind not in "iuf" or (values.dtype.kind == "f" and not np.all(values == np.rint(values))):
        expected = "whole numbers"
        if name == "t":
            expected = "whole microseconds (of seconds: numpy.rint(1e6 * t).astype('int64'))"
        raise StimulusError(f"{what} is {described(values)}; expected {expected}")
    if values.size and max(abs(float(values.min())), abs(float(values.max()))) >= 2**62:
        raise StimulusError(f"{what} holds numbers beyond 2^62")
    return values.astype(np.int64)


def _from_seconds(values: Array) -> Array:
    """Return whole microseconds; SHD keeps 16-bit floats, which microseconds would overflow."""
    if values.dtype.kind != "f":
        raise StimulusError(
            f"the events' column {SECONDS!r} is {described(values)}; expected seconds as real numbers (a column "
            "of microseconds is called 't')"
        )
    if not np.all(np.isfinite(values)):
        raise StimulusError(f"the events' column {SECONDS!r} holds numbers that are not finite; expected seconds")
    return _whole(np.floor(values.astype(np.float64) * 1e6), SECONDS)


def _polarity(values: Array) -> Array:
    """Return polarities as 0 and 1: truth values, 0 and 1, or -1 and 1."""
    if values.dtype.kind not in "biuf":
        raise StimulusError(
            f"the events' polarity is {described(values)}; expected true and false, 0 and 1, or -1 and 1"
        )
    found = np.unique(values).tolist()
    if not (set(found) <= {0, 1} or set(found) <= {-1, 1}):
        raise StimulusError(f"the events' polarity holds {found[:5]}; expected true and false, 0 and 1, or -1 and 1")
    return np.asarray(values > 0, np.int64)
