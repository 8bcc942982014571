"""Populations onto cores, under every limit of the chip.

A population is cut into blocks (`Cut`), one core each. Strategies:

- ``unrolled``: every synapse is written out, one input axon per source neuron that reaches a core;
- ``shared``: neurons of a core share a convolution's kernel. A list is stored once for all source positions that reach
  targets over the same taps (a copy per border class), or once per phase of the stride (``one_copy``). The channels of
  a source position that lie on one core arrive over one axon. Synapses that share nothing are written out;
- ``layers``, on chips whose cores take a whole layer each: `spikeport.hardware_profiles.layer_placement`.
"""

from dataclasses import replace
from typing import Literal

from spikeport.export.errors import PlacementError
from spikeport.export.geometry import Grid
from spikeport.export.network import IntegerNetwork
from spikeport.hardware_profiles.layer_placement import match
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.cuts import Cut
from spikeport.hardware_profiles.placement.results import Core, CoreSummary, LowerBounds, Placement
from spikeport.hardware_profiles.placement.search import Search
from spikeport.hardware_profiles.profile import HardwareProfile

__all__ = ["STRATEGIES", "Core", "CoreSummary", "Cut", "LowerBounds", "Placement", "place", "strategies_of"]

Strategy = Literal["unrolled", "shared", "layers"]
STRATEGIES: tuple[Strategy, ...] = ("unrolled", "shared")


def place(network: IntegerNetwork, profile: HardwareProfile, strategy: str | None = None) -> Placement:
    """Return where the neurons go, with the strategy that needs the fewest cores, or with the one that is named.

    `PlacementError` names the population, the first limit that a single neuron breaks, by how much, and the way out; or
    the strategies that the chip has.
    """
    offered = strategies_of(profile)
    if not offered:
        raise PlacementError(f"{profile.name} has no cores to place neurons on: it prices operations only")
    if strategy is not None and strategy not in offered:
        raise PlacementError(f"{profile.name} cannot place {strategy!r}; it can {', '.join(offered)}")
    if profile.layer_cores is not None:
        return _layers(network, profile)
    fan_outs = tuple(BlockFanOut(network, projection) for projection in network.projections)
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
    return replace(placed[best], refused=refused | others)


def strategies_of(profile: HardwareProfile) -> tuple[Strategy, ...]:
    """Return the strategies that a chip has; none where it has no cores."""
    if profile.layer_cores is not None:
        return ("layers",)
    if profile.limits is None or profile.encoding is None:
        return ()
    return STRATEGIES if profile.encoding.shared else STRATEGIES[:1]


def _layers(network: IntegerNetwork, profile: HardwareProfile) -> Placement:
    """Place whole layers on cores that differ; cores that take none are left out."""
    matched = match(network, profile)
    grids = {p.name: Grid.of(p.shape) for p in network.neurons}
    cores = tuple(
        Core(population=name, channels=(0, grid.channels), rows=(0, grid.height), columns=(0, grid.width), use=use)
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
