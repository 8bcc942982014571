"""Which networks and profiles a what-if table has: other steps, more zeros, one kind of lists."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from spikeport.export.crossings import costed
from spikeport.export.errors import NetworkError, ProfileError, StimulusError
from spikeport.export.geometry import AnyProjection, geometry_of, pooled
from spikeport.export.network import (
    Array,
    Convolution,
    FloatNetwork,
    FloatProjection,
    IntegerNetwork,
    Network,
)
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import zero_share
from spikeport.hardware_profiles.profile import HardwareProfile, load_profiles

LISTS = ("dense", "sparse", "run_length")
ENCODINGS = (*LISTS, "one_copy")
MOST_STEPS = 100_000


@dataclass(frozen=True, kw_only=True)
class Variations:
    """What is varied, one thing at a time.

    ``profiles`` are names, paths of .toml files, or loaded profiles; ``steps`` whole numbers from 1 to 100,000;
    ``sparsities`` shares of zero weights from 0 to 1; ``encodings`` some of 'dense', 'sparse', 'run_length' (every
    profile again as if it had only this kind of lists) and 'one_copy' (of a shared kernel). ``weight_bits``: those of a
    float network's weights (8, if None). Raises a `SpikeportError` that names the value.
    """

    profiles: Sequence[str | Path | HardwareProfile] = ("loihi1", "loihi2")
    steps: Sequence[int] = ()
    sparsities: Sequence[float] = ()
    encodings: Sequence[str] = ()
    weight_bits: int | None = None

    def __post_init__(self) -> None:
        for steps in self.steps:
            if not _is_whole(steps) or not 1 <= steps <= MOST_STEPS:
                raise StimulusError(f"{steps!r} steps; expected a whole number from 1 to {MOST_STEPS:,}")
        for sparsity in self.sparsities:
            check_sparsity(sparsity)
        for kind in self.encodings:
            if kind not in ENCODINGS:
                raise ProfileError(f"no encoding {kind!r}; expected one of {', '.join(ENCODINGS)}")

    def loaded(self) -> list[HardwareProfile]:
        """Return the profiles, then each with every encoding that it can have."""
        profiles = load_profiles(self.profiles)
        with_lists = [profile for profile in profiles if profile.encoding is not None]
        if self.encodings and not with_lists:
            names = ", ".join(profile.name for profile in profiles)
            raise ProfileError(f"{names}: no synapse lists; expected a profile with lists to vary their encoding")
        return [
            *profiles,
            *(encoded(profile, kind) for kind in dict.fromkeys(self.encodings) for profile in with_lists),
        ]

    def networks(self, network: Network, stimulus: Stimulus) -> Iterator[tuple[str, Network, Stimulus]]:
        """Yield the name of each variation with the network and the stimulus to run: first the network as it is.

        Where weights of a float network are cut, its folded form runs.
        """
        if self.steps and not stimulus.held:
            raise StimulusError(
                "the input has frames of its own for every step; other steps need an input that is held"
            )
        yield "as it is", network, stimulus
        for steps in dict.fromkeys(self.steps):
            yield f"T = {steps}", _changed(network, steps=steps), replace(stimulus, steps=steps)
        for sparsity in dict.fromkeys(self.sparsities):
            changed = pruned(network, sparsity)
            yield f"{100 * zero_share(changed):.1f} % zeros", changed, stimulus


def encoded(profile: HardwareProfile, kind: str) -> HardwareProfile:
    """Return a profile as if its cores read only lists of one ``kind``, or stored ``one_copy`` of a shared kernel."""
    encoding = profile.encoding
    assert encoding is not None
    if kind != "one_copy":
        changed = msgspec.structs.replace(encoding, lists=msgspec.structs.replace(encoding.lists, value=(kind,)))
    elif encoding.shared is None:
        raise ProfileError(f"{profile.name} shares no kernels; expected one of the encodings {', '.join(LISTS)}")
    else:
        changed = msgspec.structs.replace(encoding, shared=msgspec.structs.replace(encoding.shared, value="one_copy"))
    return msgspec.structs.replace(profile, name=f"{profile.name} {kind}", encoding=changed)


def pruned(network: Network, sparsity: float) -> Network:
    """Return the network whose smallest weights are zero, in each projection at least a share ``sparsity``."""
    check_sparsity(sparsity)
    network = costed(network).synapses if isinstance(network, FloatNetwork) else network
    return _changed(network, projections=tuple(_pruned(network, each, sparsity) for each in network.projections))


def _changed(network: Network, **fields: Any) -> Network:
    """Return a network with other ``fields``; a proof of the registers does not hold for it."""
    if isinstance(network, IntegerNetwork):
        return replace(network, **fields, bounds={})
    return replace(network, **fields)


def check_sparsity(sparsity: Any) -> None:
    """Raise `NetworkError` for what is no share from 0 to 1."""
    number = isinstance(sparsity, int | float | np.number) and not isinstance(sparsity, bool)
    if not number or not 0 <= sparsity <= 1:
        shown = f"{sparsity:g}" if number else repr(sparsity)
        raise NetworkError(f"a sparsity of {shown}; expected a share from 0 to 1")


def _pruned(network: Network, projection: AnyProjection, sparsity: float) -> AnyProjection:
    """Prune one projection; weights that a folded pool repeats are one weight."""
    rows, columns = (1, 1)
    if isinstance(projection.synapses, Convolution):
        rows, columns = pooled(geometry_of(network, projection))[1]
    weight: Array = projection.synapses.weight[..., ::rows, ::columns].copy()
    order = np.argsort(
        np.abs(weight.astype(np.int16 if weight.dtype == np.int8 else np.float64)), axis=None, kind="stable"
    )
    weight.reshape(-1)[order[: math.floor(sparsity * weight.size)]] = 0
    if isinstance(projection.synapses, Convolution):
        weight = weight.repeat(rows, axis=2).repeat(columns, axis=3)
    synapses = replace(projection.synapses, weight=weight)
    if isinstance(projection, FloatProjection):
        return replace(projection, stages=(synapses,))
    return replace(projection, synapses=synapses)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
