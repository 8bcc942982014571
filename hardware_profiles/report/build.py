"""Makes the report: one run of the network, counted, placed on every profile and priced."""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np

from spikeport.export import archive
from spikeport.export.bounds import is_safe, prove
from spikeport.export.errors import NetworkError, PlacementError
from spikeport.export.network import IntegerNetwork, IntegerNeuron, Network
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import (
    MODES,
    Batch,
    Counted,
    Counter,
    OperationCounts,
    batches,
    count,
    count_events,
    counted,
    zero_share,
)
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import CoreLoad, LoadCounter
from spikeport.hardware_profiles.neuron_rules import broken_rules
from spikeport.hardware_profiles.placement import Placement, place, stated_bits
from spikeport.hardware_profiles.profile import (
    HardwareProfile,
    by_tiles,
    constants,
    load_profiles,
    options,
    sizes,
)
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.report.sections import (
    EventCheck,
    Images,
    NetworkSummary,
    PlacementSummary,
    PopulationSummary,
    ProfileSummary,
    Relative,
)

NOT_MODELLED = (
    "messages between chips and their synchronisation, the host's input, output and time, congestion of the mesh",
    "loading weights, reading out results, and power management",
    "several populations on one core, neurons ordered to share axons, and cores numbered to shorten ways",
    "voltage, temperature and process variation",
)
ORACLES = (
    "In the project's tests, on seven networks: SANA-FE 2.2.9 counts the same events in mode fused, NeuroBench 2.3.0 "
    "the same in mode relay, nengo-loihi 1.1.0 the same bits per list; equal as integers."
)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run of the network: its counts, the load of every placement's cores, and the event check."""

    counts: OperationCounts
    loads: dict[str, CoreLoad]
    events: EventCheck


def report(
    network: Network,
    stimulus: Stimulus,
    profiles: Sequence[str | Path | HardwareProfile] = ("loihi1", "loihi2"),
    *,
    relative_to: Network | None = None,
    weight_bits: int | None = None,
) -> Report:
    """Run ``network`` on ``stimulus`` and return operations, placement, energy and latency for every profile.

    ``profiles`` are names, paths of .toml files, or loaded profiles, each of another name. ``relative_to`` is a network
    of the same shape, the dense one for instance, that runs on the same input. A float network runs as it is, and its
    weights are placed with ``weight_bits`` each (8, if None). A network that does not fit a chip is no
    error: the report says why. Raises `ProfileError`, `StimulusError`, and `NetworkError` for another shape.
    """
    loaded = load_profiles(profiles)
    if relative_to is not None:
        _check_alike(network, relative_to)
    bits = stated_bits(network, weight_bits)
    both = counted(network, stimulus)
    placed, refused = _places(both.synapses, loaded, bits)
    run = _run(both, stimulus, placed)
    counts, loads = run.counts, run.loads
    return Report(
        spikeport=metadata.version("spikeport"),
        versions={"python": platform.python_version(), "numpy": np.__version__},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        network=_network(network, both.synapses, counts.neurons, bits),
        images=Images(count=len(stimulus), digest=hashlib.sha256(stimulus.values.tobytes()).hexdigest()),
        operations=counts,
        events=run.events,
        oracles=ORACLES,
        profiles={profile.name: _profile(profile) for profile in loaded},
        placement={name: _placement(placement, loads[name]) for name, placement in placed.items()},
        refused=refused,
        lacks={profile.name: broken_rules(both.synapses, profile, bits) for profile in loaded},
        energy={
            profile.name: energy(counts, profile, placement=placed.get(profile.name), load=loads.get(profile.name))
            for profile in loaded
        },
        latency={name: latency(placement, loads[name]) for name, placement in placed.items()},
        not_modelled=NOT_MODELLED,
        relative=None if relative_to is None else _relative(network, counts, relative_to, stimulus),
    )


def _places(
    network: Network, profiles: list[HardwareProfile], weight_bits: int | None
) -> tuple[dict[str, Placement], dict[str, str]]:
    placed: dict[str, Placement] = {}
    refused: dict[str, str] = {}
    for profile in profiles:
        try:
            placed[profile.name] = place(network, profile, weight_bits=weight_bits)
        except PlacementError as error:
            refused[profile.name] = str(error)
    return placed, refused


def _run(network: Counted, stimulus: Stimulus, placed: dict[str, Placement]) -> _Run:
    counter = Counter(network.synapses)
    loads = {name: LoadCounter(network.synapses, placement) for name, placement in placed.items()}
    events: EventCheck | None = None
    for batch in batches(network, stimulus):
        counter.add(batch)
        for each in loads.values():
            each.add(batch)
        events = events or check_events(counter, batch)
    assert events is not None
    counts = replace(counter.counts(), held=stimulus.held)
    return _Run(counts=counts, loads={name: each.load() for name, each in loads.items()}, events=events)


def check_events(counter: Counter, batch: Batch) -> EventCheck:
    """Count the first image of a batch over synapses one by one, every non-zero weight replaced by one."""
    counted = formula = difference = 0
    for fan_outs in counter.fan_outs:
        spikes = batch.spikes[fan_outs.projection.source][0]
        events = count_events(fan_outs.projection, spikes)
        expected = int((spikes.sum(axis=0, dtype=np.int64) * fan_outs.fused).sum())
        difference += abs(expected - events)
        if not fan_outs.graded:
            counted, formula = counted + events, formula + expected
    return EventCheck(images=1, counted=counted, formula=formula, difference=difference)


def _check_alike(network: Network, other: Network) -> None:
    forms = [({p.name: p.shape for p in each.populations}, each.steps, each.source.neuron) for each in (network, other)]
    if forms[0] != forms[1]:
        raise NetworkError(
            "the network to compare with has other populations, steps or input levels; expected one of the same shape, "
            "the dense network for instance"
        )


def _relative(network: Network, counts: OperationCounts, other_network: Network, stimulus: Stimulus) -> Relative:
    """Return spikes and Eq. 12 against a network of the same shape, as Table 3 of Schmolli et al. does."""
    other = count(other_network, stimulus)
    return Relative(
        digest=archive.digest(other_network),
        sparsity=(_zeros(network, stimulus), _zeros(other_network, stimulus)),
        spikes=(counts.total_spikes / counts.images, other.total_spikes / other.images),
        spikes_ratio=_ratio(other.total_spikes, counts.total_spikes),
        accumulates=(counts.formula / counts.images, other.formula / other.images),
        energy_ratio={mode: _ratio(other.total(mode), counts.total(mode)) for mode in MODES},
    )


def _zeros(network: Network, stimulus: Stimulus) -> float:
    return zero_share(counted(network, stimulus).synapses)


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _network(network: Network, synapses: Network, neurons: int, weight_bits: int | None) -> NetworkSummary:
    """Return a network with its proof; of a float one the populations and zeros of its folded ``synapses``."""
    proof = prove(network) if isinstance(network, IntegerNetwork) else {}
    return NetworkSummary(
        digest=archive.digest(network),
        kind=network.kind,
        weight_bits=weight_bits,
        proven=is_safe(network) if isinstance(network, IntegerNetwork) else None,
        steps=network.steps,
        neurons=neurons,
        sparsity=zero_share(synapses),
        populations=tuple(
            PopulationSummary(
                name=population.name,
                shape=population.shape,
                scale=population.neuron.scale if isinstance(population.neuron, IntegerNeuron) else None,
                bounds=proof.get(population.name),
            )
            for population in synapses.neurons
        ),
    )


def _profile(profile: HardwareProfile) -> ProfileSummary:
    entries = {**constants(profile), **sizes(profile), **by_tiles(profile), **options(profile)}
    return ProfileSummary(
        description=profile.description,
        hash=hashlib.sha256(msgspec.json.encode(profile)).hexdigest(),
        constants={key: msgspec.json.decode(msgspec.json.encode(entry)) for key, entry in entries.items()},
    )


def _placement(placement: Placement, load: CoreLoad) -> PlacementSummary:
    per_core = [
        replace(
            placement.core(number),
            operations=float(load.operations[number]),
            operations_max=int(load.operations_max[number]),
        )
        for number in range(len(placement.cores))
    ]
    return PlacementSummary(
        strategy=placement.strategy,
        refused_strategies=placement.refused,
        cores=len(placement.cores),
        chips=placement.chips,
        max_core_memory_bytes=placement.max_core_memory,
        lower_bounds=placement.lower_bounds,
        bottleneck=load.bottleneck,
        messages=load.messages,
        hops=sum(load.hops),
        messages_off_chip=load.off_chip,
        per_core=tuple(per_core),
    )
