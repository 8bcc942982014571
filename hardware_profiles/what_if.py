"""What a trained network would cost otherwise: other steps, more zeros, on another chip, in every mode.

Every row is run again. More zeros means that the smallest weights of each projection are cut, and the spikes are what
the network then does; nothing is trained again, so its accuracy is another question.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
import numpy as np

from spikeport.export.errors import NetworkError, PlacementError, ProfileError, StimulusError
from spikeport.export.geometry import geometry_of, pooled
from spikeport.export.network import Array, Convolution, IntegerNetwork, IntegerProjection
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import MODES, batches, count, zeros
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.placement import STRATEGIES, Placement, place
from spikeport.hardware_profiles.profile import HardwareProfile, load_profile
from spikeport.hardware_profiles.report.text import joule, percent
from spikeport.hardware_profiles.report.text import table as printed

Row = dict[str, Any]
LISTS = ("dense", "sparse", "run_length")


def table(
    network: IntegerNetwork,
    stimulus: Stimulus,
    *,
    profiles: Sequence[str],
    steps: Sequence[int] = (),
    sparsities: Sequence[float] = (),
    encodings: Sequence[str] = (),
) -> list[Row]:
    """Return a row for the network, for each of the other ``steps`` and ``sparsities``, each on every profile.

    ``encodings``: every profile again as if it had only this kind of lists, 'dense', 'sparse' or 'run_length', or one
    copy of a shared kernel, 'one_copy'.
    """
    whole = [load_profile(name) for name in profiles]
    loaded = [*whole, *(_encoded(profile, kind) for kind in encodings for profile in whole if profile.encoding)]
    return [
        row
        for name, changed, driven in _variations(network, stimulus, steps, sparsities)
        for row in _rows(name, changed, driven, loaded)
    ]


def _encoded(profile: HardwareProfile, kind: str) -> HardwareProfile:
    encoding = profile.encoding
    assert encoding is not None
    if kind == "one_copy" and encoding.shared is not None:
        changed = msgspec.structs.replace(encoding, shared=msgspec.structs.replace(encoding.shared, value="one_copy"))
    elif kind in LISTS:
        changed = msgspec.structs.replace(encoding, lists=msgspec.structs.replace(encoding.lists, value=(kind,)))
    else:
        known = ", ".join((*LISTS, "one_copy")) if encoding.shared else ", ".join(LISTS)
        raise ProfileError(f"{profile.name} has no encoding {kind!r}; expected one of {known}")
    return msgspec.structs.replace(profile, name=f"{profile.name} {kind}", encoding=changed)


def pruned(network: IntegerNetwork, sparsity: float) -> IntegerNetwork:
    """Return the network with the smallest weights of each projection cut until a share ``sparsity`` is zero."""
    if not 0 <= sparsity <= 1:
        raise NetworkError(f"a sparsity of {sparsity:g}; expected a share from 0 to 1")
    return replace(
        network, projections=tuple(_cut(network, projection, sparsity) for projection in network.projections), bounds={}
    )


def _cut(network: IntegerNetwork, projection: IntegerProjection, sparsity: float) -> IntegerProjection:
    """Cut a projection's weights; those that a folded pool repeats are one weight."""
    rows, columns = (1, 1)
    if isinstance(projection.synapses, Convolution):
        rows, columns = pooled(geometry_of(network, projection))[1]
    weight: Array = projection.synapses.weight[..., ::rows, ::columns].copy()
    order = np.argsort(np.abs(weight.astype(np.int16)), axis=None, kind="stable")
    weight.reshape(-1)[order[: math.floor(sparsity * weight.size)]] = 0
    if isinstance(projection.synapses, Convolution):
        weight = weight.repeat(rows, axis=2).repeat(columns, axis=3)
    return replace(projection, synapses=replace(projection.synapses, weight=weight))


def _variations(
    network: IntegerNetwork, stimulus: Stimulus, steps: Sequence[int], sparsities: Sequence[float]
) -> Iterator[tuple[str, IntegerNetwork, Stimulus]]:
    yield "as it is", network, stimulus
    for length in steps:
        if not stimulus.held:
            raise StimulusError(
                "the input has frames of its own for every step; other steps need an input that is held"
            )
        yield f"T = {length}", replace(network, steps=length, bounds={}), replace(stimulus, steps=length)
    for sparsity in sparsities:
        changed = pruned(network, sparsity)
        yield f"{percent(zeros(changed))} zeros", changed, stimulus


def _rows(name: str, network: IntegerNetwork, stimulus: Stimulus, profiles: list[HardwareProfile]) -> Iterator[Row]:
    counts = count(network, batches(network, stimulus))
    neurons = sum(math.prod(population.shape) for population in network.neurons)
    for profile in profiles:
        found = {strategy: _placed(network, profile, strategy) for strategy in _strategies(profile)}
        fitting = [placement for placement in found.values() if placement is not None]
        best = min(fitting, key=lambda placement: len(placement.cores), default=None)
        yield {
            "variation": name,
            "profile": profile.name,
            "spikes": counts.fired / counts.images,
            "accumulates": {mode: counts.total(mode) / counts.images for mode in MODES},
            "cores": {strategy: len(placed.cores) if placed else None for strategy, placed in found.items()},
            "energy": asdict(energy(profile, counts, neurons, best)),
        }


def _strategies(profile: HardwareProfile) -> tuple[str, ...]:
    return ("layers",) if profile.layer_cores is not None else STRATEGIES


def _placed(network: IntegerNetwork, profile: HardwareProfile, strategy: str) -> Placement | None:
    try:
        return place(network, profile, strategy)
    except PlacementError:
        return None


def render(rows: list[Row]) -> str:
    """Return the rows as a text table; '-' where the network does not fit, or the chip has no such strategy."""
    strategies = list(dict.fromkeys(strategy for row in rows for strategy in row["cores"]))
    cells = [
        (
            f"{row['variation']}, {row['profile']}",
            f"{row['spikes']:,.0f}",
            *(f"{row['accumulates'][mode]:,.0f}" for mode in MODES),
            *(f"{cores:,}" if (cores := row["cores"].get(strategy)) else "-" for strategy in strategies),
            joule(row["energy"]["synaptic_operations"]),
            joule(row["energy"]["neuron_updates"]),
        )
        for row in rows
    ]
    modes = [f"AC {mode}" for mode in MODES]
    cores = [f"cores {strategy}" for strategy in strategies]
    return printed(("per image", "spikes", *modes, *cores, "Eq. 12, uJ", "neuron updates, uJ"), cells)
