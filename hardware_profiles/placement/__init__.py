"""Populations onto cores, under every limit of the chip.

A population is cut into blocks (`Cut`); a core holds blocks of one population or of several (`packing`). Strategies:

- ``unrolled``: every synapse is written out, one input axon per source neuron that reaches a core;
- ``shared``: neurons of a core share a convolution's kernel. A list is stored once for all source positions that reach
  targets over the same taps (a copy per border class), or once per phase of the stride (``one_copy``). The channels of
  a source position that lie on one core arrive over one axon. Synapses that share nothing are written out;
- ``layers``, on chips whose cores take a whole layer each: `spikeport.hardware_profiles.layer_placement`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from spikeport.export.crossings import costed
from spikeport.export.errors import NetworkError, PlacementError
from spikeport.export.geometry import Grid
from spikeport.export.network import FloatNetwork, Network, Pair
from spikeport.export.numbers import Range, whole
from spikeport.hardware_profiles.encoding import WEIGHT_BITS, delay_bits
from spikeport.hardware_profiles.layer_placement import match
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.cuts import Cut
from spikeport.hardware_profiles.placement.numbering import numbered
from spikeport.hardware_profiles.placement.results import Block, Core, CoreSummary, LowerBounds, Placement
from spikeport.hardware_profiles.placement.search import Search
from spikeport.hardware_profiles.placement.traffic import messages
from spikeport.hardware_profiles.profile import HardwareProfile

__all__ = [
    "STRATEGIES",
    "Block",
    "Core",
    "CoreSummary",
    "Cut",
    "LowerBounds",
    "Placement",
    "fan_outs_of",
    "place",
    "stated_bits",
    "strategies_of",
]

Strategy = Literal["unrolled", "shared", "layers"]
BITS = Range(least=2, most=32)
STRATEGIES: tuple[Strategy, ...] = ("unrolled", "shared")


def place(
    network: Network, profile: HardwareProfile, strategy: str | None = None, *, weight_bits: int | None = None
) -> Placement:
    """Return where the neurons go, with the strategy that needs the fewest cores, or with the one that is named.

    A float network is folded, and its weights take ``weight_bits`` each, sign included (`WEIGHT_BITS`, if None).
    `PlacementError` names the population, the first limit that a single neuron breaks, by how much, and the way out; or
    the strategies that the chip has.
    """
    offered = strategies_of(profile)
    if not offered:
        raise PlacementError(f"{profile.name} has no cores to place neurons on: it prices operations only")
    if strategy is not None and strategy not in offered:
        raise PlacementError(f"{profile.name} cannot place {strategy!r}; it can {', '.join(offered)}")
    bits = stated_bits(network, weight_bits)
    network = costed(network).synapses if isinstance(network, FloatNetwork) else network
    if profile.layer_cores is not None:
        return replace(_layers(network, profile), weight_bits=bits)
    fan_outs = fan_outs_of(network, profile, bits)
    placed: dict[str, Placement] = {}
    refused: dict[str, str] = {}
    for name in offered if strategy is None else (strategy,):
        try:
            placed[name] = Search(network, profile, fan_outs, name).run()
        except PlacementError as error:
            refused[name] = str(error)
    if not placed:
        raise PlacementError(" ".join(refused.values()))
    best = min(placed, key=lambda name: len(placed[name].cores))
    others = {name: f"{len(other.cores):,} cores" for name, other in placed.items() if name != best}
    return replace(with_numbers(placed[best], fan_outs), refused=refused | others, weight_bits=bits)


def fan_outs_of(network: Network, profile: HardwareProfile, weight_bits: int | None) -> tuple[BlockFanOut, ...]:
    """Return what the projections on a chip with lists need of each block; a real weight takes ``weight_bits``."""
    waits = iter(_waits(network, profile))
    return tuple(
        BlockFanOut(network, each, weight_bits or WEIGHT_BITS, next(waits), profile.encoding)
        for each in network.on_chip
    )


def with_numbers(placement: Placement, fan_outs: Sequence[BlockFanOut]) -> Placement:
    """Return a placement with its cores numbered so that messages are short (`placement.numbering`)."""
    sent = messages(fan_outs, placement.cuts, placement.core_of, len(placement.cores))
    return replace(placement, numbers=tuple(numbered(sent, placement.cores_per_chip).tolist()))


def _waits(network: Network, profile: HardwareProfile) -> list[int]:
    """Return the bits that the delay of each projection takes in a list."""
    assert profile.encoding is not None
    short = network.with_short_delays()
    try:
        depths = short.depths()
    except NetworkError:  # a loop shorter than the chip's steps, which `chips` names
        return [delay_bits(profile.encoding, p.delay) for p in short.on_chip]
    return [delay_bits(profile.encoding, short.slack(p, depths)) for p in short.on_chip]  # type: ignore[arg-type]


def stated_bits(network: Network, weight_bits: int | None) -> int | None:
    """Return the bits of a real weight, or None for integers, which have their own; `NetworkError` where both are."""
    if isinstance(network, FloatNetwork):
        return whole(WEIGHT_BITS if weight_bits is None else weight_bits, "weight bits", BITS, error=NetworkError)
    if weight_bits is not None:
        raise NetworkError(
            f"weight bits are {weight_bits}; the weights of an integer network have bits of their own: leave them out, "
            "or quantize the float network anew"
        )
    return None


def strategies_of(profile: HardwareProfile) -> tuple[Strategy, ...]:
    """Return the strategies that a chip has; none where it has no cores."""
    if profile.layer_cores is not None:
        return ("layers",)
    if profile.limits is None or profile.encoding is None:
        return ()
    return STRATEGIES if profile.encoding.shared else STRATEGIES[:1]


def _layers(network: Network, profile: HardwareProfile) -> Placement:
    """Place whole layers on cores that differ; cores that take none are left out."""
    matched = match(network, profile)
    grids = {p.name: Grid.of(p.shape) for p in network.neurons}
    cores = tuple(
        Core(blocks=(Block(population=name, **_whole(grid)),), use=use)
        for (name, grid), (_, use) in zip(grids.items(), matched, strict=True)
    )
    return Placement(
        profile=profile,
        strategy="layers",
        cuts={name: Cut.whole(grid) for name, grid in grids.items()},
        cores=cores,
        lower_bounds=LowerBounds(neurons=len(cores), memory=len(cores)),
        numbers=tuple(number for number, _ in matched),
    )


def _whole(grid: Grid) -> dict[str, Pair]:
    return {"channels": (0, grid.channels), "rows": (0, grid.height), "columns": (0, grid.width)}
