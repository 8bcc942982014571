"""Makes the report: one run of the network, counted, placed on every profile and priced."""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np

from spikeport.export import archive
from spikeport.export.bounds import are_kept
from spikeport.export.errors import NetworkError, PlacementError
from spikeport.export.layer_differences import comparable
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, IntegerNeuron, Network
from spikeport.export.progress import waiting
from spikeport.export.stimulus import Stimulus
from spikeport.export.target_rules import Examined
from spikeport.export.three_counts import VERIFY
from spikeport.hardware_profiles.chips import check_runs, chip_verdict, runs_networks
from spikeport.hardware_profiles.counting import (
    MODES,
    OperationCounts,
    count,
    counted,
    zero_share,
)
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.host import host_work, without_first_layer
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import CoreLoad
from spikeport.hardware_profiles.placement import Placement, place, stated_bits
from spikeport.hardware_profiles.profile import (
    HardwareProfile,
    by_tiles,
    constants,
    load_profiles,
    options,
    sizes,
    spans,
)
from spikeport.hardware_profiles.report.comparison import comparison
from spikeport.hardware_profiles.report.raster import check_chosen
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.report.roles import roles
from spikeport.hardware_profiles.report.run import measured, performed
from spikeport.hardware_profiles.report.sections import (
    Images,
    NetworkSummary,
    PlacementSummary,
    PopulationSummary,
    ProfileSummary,
    Relative,
)
from spikeport.hardware_profiles.verdicts import ChipVerdict

NOT_MODELLED = (
    "the way and energy of messages between chips and from the host, the host's output and time",
    "synchronisation of chips, and congestion of the mesh",
    "loading weights, reading out results, and power management",
    "neurons ordered to share axons",
    "voltage, temperature and process variation",
)
ORACLES = (
    "In the project's tests, on seven networks: SANA-FE 2.2.9 counts the same events in mode fused, NeuroBench 2.3.0 "
    "the same in mode relay, nengo-loihi 1.1.0 the same bits per list; equal as integers."
)


def report(
    network: Network,
    stimulus: Stimulus,
    profiles: Sequence[str | Path | HardwareProfile] = ("loihi1", "loihi2"),
    *,
    relative_to: Network | None = None,
    weight_bits: int | None = None,
    verify: int = VERIFY,
    chips: Sequence[str | Path | HardwareProfile] = (),
    labels: Array | None = None,
    float_network: FloatNetwork | None = None,
    rasters: Sequence[int] = (),
    name: str | None = None,
) -> Report:
    """Run ``network`` on ``stimulus`` and return operations, placement, energy and latency for every profile.

    ``profiles`` are names, paths of .toml files, or loaded profiles, each of another name. ``relative_to`` is a network
    of the same shape, the dense one for instance, that runs on the same input. A float network runs as it is, and its
    weights are placed with ``weight_bits`` each (8, if None). On ``verify`` images the operations are counted in all
    three ways (`spikeport.export.three_counts`). A network that does not run on a chip is no error: the report says
    why, and fails where ``chips``, profiles as well, name the chip. ``labels`` (N,) give the accuracy.
    ``float_network``: the one that integers were made of, to compare layer by layer. ``rasters``: numbers of samples
    whose spikes are drawn. ``name``: what the report calls the network. Raises `ProfileError`, `StimulusError`, and
    `NetworkError` for another shape.
    """
    loaded, asked = _with_required(profiles, chips)
    if relative_to is not None:
        _check_alike(network, relative_to)
    check_chosen(rasters, len(stimulus))
    if float_network is not None:
        comparable(float_network, _integers(network))
    bits = stated_bits(network, weight_bits)
    both = counted(network, stimulus)
    placed, refused = _places(both.synapses, loaded, bits)
    run = performed(both, stimulus, placed, verify=verify, chosen=rasters)
    counts, loads = run.counts, run.loads
    examined = Examined(network) if isinstance(network, IntegerNetwork) else None
    return Report(
        spikeport=metadata.version("spikeport"),
        versions={"python": platform.python_version(), "numpy": np.__version__},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        network=replace(_network(network, examined, both.synapses, counts.neurons, bits), name=name),
        images=Images(count=len(stimulus), digest=hashlib.sha256(stimulus.values.tobytes()).hexdigest()),
        operations=counts,
        oracles=ORACLES,
        profiles={profile.name: _profile(profile) for profile in loaded},
        placement={name: _placement(placement, loads[name]) for name, placement in placed.items()},
        refused=refused,
        chips=_verdicts(examined or both.synapses, loaded, bits, refused, asked),
        energy={
            profile.name: without_first_layer(
                network,
                energy(counts, profile, placement=placed.get(profile.name), load=loads.get(profile.name)),
            )
            for profile in loaded
        },
        latency={name: latency(placement, loads[name]) for name, placement in placed.items()},
        not_modelled=NOT_MODELLED,
        host=host_work(network, stimulus),
        relative=None if relative_to is None else _relative(network, counts, relative_to, stimulus, verify),
        accuracy=None if labels is None else (measured(network, run.classes, labels, both.synapses),),
        layers=run.layers,
        comparison=None if float_network is None else comparison(float_network, _integers(network), stimulus),
        rasters=run.rasters or None,
    )


def _integers(network: Network) -> IntegerNetwork:
    """Return the network that is compared with a float one; `NetworkError` where it is float itself."""
    if not isinstance(network, IntegerNetwork):
        raise NetworkError("a float network is reported; expected integers to compare with the one they were made of")
    return network


def _with_required(
    profiles: Sequence[str | Path | HardwareProfile], chips: Sequence[str | Path | HardwareProfile]
) -> tuple[list[HardwareProfile], set[str]]:
    """Return all profiles, each once, and the names of those that the network has to run on.

    Raises `ProfileError` where two that differ share a name.
    """
    loaded = load_profiles(profiles)
    needed = load_profiles(chips) if chips else []
    check_runs(needed)
    every = load_profiles([*loaded, *(each for each in needed if each not in loaded)])
    return every, {each.name for each in needed}


def _verdicts(
    network: Network | Examined,
    profiles: list[HardwareProfile],
    bits: int | None,
    refused: dict[str, str],
    asked: set[str],
) -> dict[str, ChipVerdict]:
    return {
        each.name: chip_verdict(
            network, each, weight_bits=bits, refused=refused.get(each.name), asked=each.name in asked
        )
        for each in profiles
        if runs_networks(each)
    }


def _places(
    network: Network, profiles: list[HardwareProfile], weight_bits: int | None
) -> tuple[dict[str, Placement], dict[str, str]]:
    placed: dict[str, Placement] = {}
    refused: dict[str, str] = {}
    for profile in profiles:
        try:
            with waiting(f"placing on {profile.name}"):
                placed[profile.name] = place(network, profile, weight_bits=weight_bits)
        except PlacementError as error:
            refused[profile.name] = str(error)
    return placed, refused


def _check_alike(network: Network, other: Network) -> None:
    forms = [({p.name: p.shape for p in each.populations}, each.steps, each.source.neuron) for each in (network, other)]
    if forms[0] != forms[1]:
        raise NetworkError(
            "the network to compare with has other populations, steps or input levels; expected one of the same shape, "
            "the dense network for instance"
        )


def _relative(
    network: Network, counts: OperationCounts, other_network: Network, stimulus: Stimulus, verify: int
) -> Relative:
    """Return spikes and Eq. 12 against a network of the same shape, as Table 3 of Schmolli et al. does.

    Their section 4.3 takes Eq. 10 and 11 for a dense network, and the exact connectivity for a sparse one.
    """
    other = count(other_network, stimulus, verify=verify)
    return Relative(
        digest=archive.digest(other_network),
        sparsity=(_zeros(network, stimulus), _zeros(other_network, stimulus)),
        spikes=(counts.total_spikes / counts.images, other.total_spikes / other.images),
        spikes_ratio=_ratio(other.total_spikes, counts.total_spikes),
        accumulates={mode: (counts.modes[mode], other.modes[mode]) for mode in MODES},
        energy_ratio={mode: _ratio(other.total(mode), counts.total(mode)) for mode in MODES},
        energy_ratio_paper=_ratio(other.total("area_ratio"), counts.total("fused")),
        reasons=() if other.verification is None else other.verification.reasons,
    )


def _zeros(network: Network, stimulus: Stimulus) -> float:
    return zero_share(counted(network, stimulus).synapses)


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _network(
    network: Network, examined: Examined | None, synapses: Network, neurons: int, weight_bits: int | None
) -> NetworkSummary:
    """Return a network with its proof; of a float one the populations and zeros of its folded ``synapses``."""
    proof, helping = {} if examined is None else examined.bounds, roles(synapses)
    return NetworkSummary(
        digest=archive.digest(network),
        kind=network.kind,
        weight_bits=weight_bits,
        proven=None if examined is None else are_kept(examined.network, proof),
        steps=network.steps,
        neurons=neurons,
        sparsity=zero_share(synapses),
        populations=tuple(
            PopulationSummary(
                name=population.name,
                shape=population.shape,
                scale=population.neuron.scale if isinstance(population.neuron, IntegerNeuron) else None,
                bounds=proof.get(population.name),
                role=helping.get(population.name, ""),
            )
            for population in synapses.neurons
        ),
    )


def _profile(profile: HardwareProfile) -> ProfileSummary:
    entries = {**constants(profile), **sizes(profile), **by_tiles(profile), **spans(profile), **options(profile)}
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
        cores_with_several_populations=placement.several,
        chips=placement.chips,
        max_core_memory_bytes=placement.max_core_memory,
        lower_bounds=placement.lower_bounds,
        bottleneck=load.bottleneck,
        messages=load.messages,
        hops=sum(load.hops),
        messages_off_chip=load.off_chip,
        messages_from_host=load.host_messages,
        host_axons=load.host_axons,
        per_core=tuple(per_core),
    )
