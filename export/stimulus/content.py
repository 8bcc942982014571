"""What a file of samples holds, found by the names of its arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array
from spikeport.export.stimulus.events import Events, events_of, is_event_list, structured

INPUTS = ("images", "frames", "events", "x", "data", "inputs", "input", "spikes")
LABELS = ("labels", "targets", "y", "label", "target")
LENGTHS = ("lengths", "length")
Sample = Array | Events


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """Samples: an array (N, ...), or a list with an array or an event list each; ``labels`` and ``lengths`` (N,)."""

    samples: Array | list[Sample]
    labels: Array | None = None
    lengths: Array | None = None
    notes: tuple[str, ...] = ()


def chosen(names: Sequence[str], get: Callable[[str], Array]) -> Content:
    """Return what a file with arrays of these ``names`` holds; only the arrays that are needed are read.

    The input is called by one of `INPUTS`, or is the only array besides labels and lengths. Columns x, y, t and p are
    an event list.
    """
    if is_event_list(list(names)):
        labels = _first(LABELS, names, "y")
        columns = {name: get(name) for name in names if name not in (labels, *LENGTHS)}
        return Content(samples=[events_of(columns)], labels=None if labels is None else get(labels))
    labels, lengths = _first(LABELS, names), _first(LENGTHS, names)
    given = [name for name in INPUTS if name in names]
    found = given or [name for name in names if name not in (labels, lengths)]
    if len(found) != 1:
        shown = ", ".join(found[:5]) or ", ".join(list(names)[:5]) or "nothing"
        raise StimulusError(
            f"it holds {shown}; expected an array 'images', 'frames', 'events' or 'x', or a single one of any name"
        )
    return Content(
        samples=sample(get(found[0])),
        labels=None if labels is None else get(labels),
        lengths=None if lengths is None else get(lengths),
    )


def sample(values: Array) -> Array | list[Sample]:
    """Return an array as it is; one with fields is one recording."""
    return values if values.dtype.names is None else [structured(values)]


def _first(wanted: Sequence[str], names: Sequence[str], *without: str) -> str | None:
    return next((name for name in wanted if name in names and name not in without), None)
