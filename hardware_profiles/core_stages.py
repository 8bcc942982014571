"""One kind of work of all cores over the steps of a run, kept small enough for many images."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from spikeport.export.network import Array
from spikeport.hardware_profiles.encoding import Counts


class Stage:
    """Seconds of one kind of work: traces of cores by the depth of the populations that cause it.

    ``pairs`` say which cores have such work at which depth. Of cores with work at one depth the largest trace is
    enough; cores with several depths keep their own, which are added up once they are shifted. ``idle`` are the seconds
    that every core takes in any step.
    """

    def __init__(self, pairs: Mapping[int, Counts], cores: int, idle: Array | None = None) -> None:
        self.idle = np.zeros(cores) if idle is None else idle
        depths = np.zeros(cores, np.int64)
        for members in pairs.values():
            depths[members] += 1
        self.single = {depth: members[depths[members] == 1] for depth, members in pairs.items()}
        self.mixed = {depth: members[depths[members] > 1] for depth, members in pairs.items()}
        self.largest: dict[int, list[Array]] = {depth: [] for depth in pairs}
        self.own: dict[int, list[Array]] = {depth: [] for depth in pairs}

    def add(self, depth: int, seconds: Array) -> None:
        """Add a batch: seconds (images, T, cores) of the work at one depth, beyond ``idle``."""
        single, mixed = self.single[depth], self.mixed[depth]
        if len(single):
            self.largest[depth].append((seconds[:, :, single] + self.idle[single]).max(axis=2))
        if len(mixed):
            self.own[depth].append(seconds[:, :, mixed])

    def slowest(self, shape: tuple[int, ...], shifted: Callable[[Array, int, float], Array]) -> Array:
        """Return the seconds of the slowest core in chip steps of ``shape``.

        ``shifted`` brings a trace (images, T) of a depth there, with a value where the trace has none.
        """
        least = float(self.idle.max())
        found = np.full(shape, least)
        for depth, traces in self.largest.items():
            if traces:
                found = np.maximum(found, shifted(np.concatenate(traces), depth, least))
        for core, parts in self._mixed_cores():
            total = sum(shifted(trace, depth, 0.0) for depth, trace in parts)
            found = np.maximum(found, total + self.idle[core])
        return found

    def _mixed_cores(self) -> Iterator[tuple[int, list[tuple[int, Array]]]]:
        """Yield each core with work at several depths, and its traces by depth."""
        whole = {depth: np.concatenate(traces) for depth, traces in self.own.items() if traces}
        for core in np.unique(np.concatenate([*self.mixed.values(), np.zeros(0, np.int64)])).tolist():
            places = {depth: np.flatnonzero(self.mixed[depth] == core) for depth in whole}
            yield core, [(depth, whole[depth][:, :, at[0]]) for depth, at in places.items() if len(at)]
