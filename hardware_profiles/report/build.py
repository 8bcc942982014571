"""The report document: plain data, the same for every form it is written in; docs/hardware.md describes its keys."""

import hashlib
import json
import math
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from spikeport.export import archive
from spikeport.export.bounds import is_safe, prove
from spikeport.export.errors import NetworkError, PlacementError, ProfileError
from spikeport.export.files import write_text
from spikeport.export.network import IntegerNetwork, IntegerNeuron
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import (
    MODES,
    Batch,
    Counter,
    LayerCount,
    OperationCounts,
    batches,
    events,
    zeros,
)
from spikeport.hardware_profiles.energy import Deployment, energy, eq12
from spikeport.hardware_profiles.latency import LatencyBound, latency
from spikeport.hardware_profiles.load import CoreLoad, Loads
from spikeport.hardware_profiles.placement import Placement, place
from spikeport.hardware_profiles.profile import HardwareProfile, constants, load_profile, options, sizes
from spikeport.hardware_profiles.report import html

SCHEMA = 2
NOT_MODELLED = (
    "messages between chips, the host's input and output, congestion of the mesh",
    "loading weights, reading out results, and power management",
    "several populations on one core, neurons ordered to share axons, and cores numbered to shorten ways",
    "voltage, temperature and process variation",
)
MEMORY = ("core_memory", "synaptic_memory", "kernel_words")
"""What fills a core's memory: the first that has a limit."""
ORACLES = (
    "In the project's tests, on seven networks: SANA-FE 2.2.9 counts the same events in mode fused, NeuroBench 2.3.0 "
    "the same in mode relay, nengo-loihi 1.1.0 the same bits per list; equal as integers."
)
Document = dict[str, Any]


def costs(
    network: IntegerNetwork,
    stimulus: Stimulus,
    profiles: list[str],
    *,
    relative_to: IntegerNetwork | None = None,
) -> Document:
    """Run ``network`` on ``stimulus`` and return operations, placement, energy and latency for every profile.

    ``relative_to`` is a network of the same shape, the dense one for instance, that runs on the same input.
    """
    loaded = [load_profile(name) for name in profiles]
    names = [profile.name for profile in loaded]
    if len(set(names)) != len(names):
        raise ProfileError(f"two of the profiles {', '.join(profiles)} are called {max(names, key=names.count)!r}")
    placed, refused = _places(network, loaded)
    counter, loads = Counter(network), {name: Loads(network, found) for name, found in placed.items()}
    checked: Document | None = None
    for batch in batches(network, stimulus):
        counter.add(batch)
        for each in loads.values():
            each.add(batch)
        checked = checked or _event_by_event(counter, batch)
    counts = counter.counts()
    deployed = {}
    for name, found in placed.items():
        load = loads[name].load()
        deployed[name] = Deployment(placement=found, load=load, latency=latency(found, load))
    neurons = sum(math.prod(population.shape) for population in network.neurons)
    document: Document = {
        "schema": SCHEMA,
        "spikeport": metadata.version("spikeport"),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "network": _network(network, neurons),
        "images": {"count": len(stimulus), "digest": hashlib.sha256(stimulus.values.tobytes()).hexdigest()},
        "operations": _operations(counts),
        "validation": {
            "formula": counts.formula,
            "simulated": counts.simulated,
            "events": checked,
            "oracles": ORACLES,
        },
        "spikes": [asdict(found) for found in counts.spikes],
        "profiles": {profile.name: _profile(profile) for profile in loaded},
        "placement": {
            profile.name: _placement(deployed[profile.name])
            if profile.name in deployed
            else {"refused": refused[profile.name]}
            for profile in loaded
        },
        "energy": {profile.name: _energy(profile, counts, neurons, deployed.get(profile.name)) for profile in loaded},
        "latency": {name: _latency(found.latency) for name, found in deployed.items()},
        "not_modelled": list(NOT_MODELLED),
    }
    if relative_to is not None:
        document["relative"] = relative(network, counts, relative_to, stimulus)
    return document


def relative(network: IntegerNetwork, counts: OperationCounts, base: IntegerNetwork, stimulus: Stimulus) -> Document:
    """Return spikes and Eq. 12 against a network of the same shape, as Table 3 of Schmolli et al. does."""
    forms = [({p.name: p.shape for p in each.populations}, each.steps, each.source.neuron) for each in (network, base)]
    if forms[0] != forms[1]:
        raise NetworkError(
            "the network to compare with has other populations, steps or input levels; expected one of the same shape, "
            "the dense network for instance"
        )
    counter = Counter(base)
    for batch in batches(base, stimulus):
        counter.add(batch)
    other = counter.counts()
    return {
        "digest": archive.digest(base),
        "sparsity": [zeros(network), zeros(base)],
        "spikes": [counts.fired / counts.images, other.fired / other.images],
        "spikes_ratio": other.fired / counts.fired if counts.fired else None,
        "accumulates": [counts.formula / counts.images, other.formula / other.images],
        "energy_ratio": {m: other.total(m) / counts.total(m) if counts.total(m) else None for m in MODES},
    }


def write(document: Document, folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` to ``folder``."""
    write_text(folder / "report.json", json.dumps(document, indent=1) + "\n")
    write_text(folder / "report.html", html.render(document))


def _places(network: IntegerNetwork, profiles: list[HardwareProfile]) -> tuple[dict[str, Placement], dict[str, str]]:
    placed: dict[str, Placement] = {}
    refused: dict[str, str] = {}
    for profile in profiles:
        try:
            placed[profile.name] = place(network, profile)
        except PlacementError as error:
            refused[profile.name] = str(error)
    return placed, refused


def _event_by_event(counter: Counter, batch: Batch) -> Document:
    """Count the first image over synapses one by one: the synaptic sum with every non-zero weight replaced by 1."""
    counted, formula = 0, 0
    for fans in counter.fans:
        if not fans.graded:
            spikes = batch.spikes[fans.projection.source][0]
            counted += events(fans.projection, spikes)
            formula += int((spikes.sum(axis=0, dtype=np.int64) * fans.fused).sum())
    return {"images": 1, "counted": counted, "formula": formula, "difference": formula - counted}


def _network(network: IntegerNetwork, neurons: int) -> Document:
    proof = prove(network)
    return {
        "digest": archive.digest(network),
        "proven": is_safe(network),
        "steps": network.steps,
        "neurons": neurons,
        "sparsity": zeros(network),
        "populations": [
            {
                "name": population.name,
                "shape": list(population.shape),
                "scale": population.neuron.scale if isinstance(population.neuron, IntegerNeuron) else None,
                "bounds": asdict(proof[population.name]),
            }
            for population in network.neurons
        ],
    }


def _operations(counts: OperationCounts) -> Document:
    return {
        "mode": "fused",
        "images": counts.images,
        "formula": counts.formula,
        "simulated": counts.simulated,
        "difference": counts.formula - counts.simulated,
        "per_image": asdict(counts.per_image),
        "modes": {mode: counts.total(mode) / counts.images for mode in MODES},
        "first_layer_macs": counts.macs,
        "layers": [_layer(layer) for layer in counts.layers],
    }


def _layer(layer: LayerCount) -> Document:
    return {**asdict(layer), "kind": "MAC" if layer.graded else "AC", "difference": layer.formula - layer.simulated}


def _profile(profile: HardwareProfile) -> Document:
    return {
        "description": profile.description,
        "hash": hashlib.sha256(msgspec.json.encode(profile)).hexdigest(),
        "constants": {
            key: msgspec.json.decode(msgspec.json.encode(found))
            for key, found in {**constants(profile), **sizes(profile), **options(profile)}.items()
        },
    }


def _energy(profile: HardwareProfile, counts: OperationCounts, neurons: int, deployed: Deployment | None) -> Document:
    placement = deployed.placement if deployed else None
    found = energy(profile, counts, neurons, placement, deployed)
    modes = {mode: eq12(profile, counts, placement, mode) for mode in MODES}
    return {**asdict(found), "sum_of_known": found.known, "eq12": modes}


def _latency(found: LatencyBound) -> Document:
    return {"seconds": found.seconds, "shares": found.shares, "unknown": list(found.unknown)}


def _placement(deployed: Deployment) -> Document:
    placement, load = deployed.placement, deployed.load
    return {
        "strategy": placement.strategy,
        "refused_strategies": placement.refused,
        "cores": len(placement.cores),
        "chips": placement.chips,
        "max_core_memory_bytes": placement.max_core_memory,
        "lower_bounds": {"neurons": placement.bound_by_neurons, "memory": placement.bound_by_memory},
        "bottleneck": load.bottleneck,
        "messages": load.messages,
        "hops": sum(load.hops),
        "messages_off_chip": load.off_chip,
        "per_core": [_core(placement, load, number) for number in range(len(placement.cores))],
    }


def _core(placement: Placement, load: CoreLoad, number: int) -> Document:
    core, resources = placement.cores[number], placement.utilisation(number)
    shares = {r.resource: r.used / r.available for r in resources if r.available}
    return {
        "population": core.population,
        "channels": list(core.channels),
        "rows": list(core.rows),
        "columns": list(core.columns),
        "synapses": core.use.synapses,
        "operations": float(load.operations[number]),
        "operations_max": int(load.operations_max[number]),
        "used": {r.resource: r.used for r in resources},
        "available": {r.resource: r.available for r in resources},
        "utilisation": shares,
        "memory_share": next(shares[key] for key in MEMORY if key in shares),
        "fullest": max(shares, key=lambda resource: shares[resource]),
    }
