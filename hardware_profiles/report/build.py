"""The report document: plain data, the same for every form it is written in."""

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from export import archive
from export.bounds import is_safe, prove
from export.errors import ProfileError
from export.executors import fast
from export.files import write_text
from export.network import IntegerNetwork, IntegerNeuron
from export.stimulus import Stimulus
from hardware_profiles.counting import LayerCount, OperationCounts, gathered
from hardware_profiles.energy import energy
from hardware_profiles.limits import RULES
from hardware_profiles.placement import Core, Placement, place
from hardware_profiles.profile import HardwareProfile, constants, load_profile
from hardware_profiles.report import html

SCHEMA = 1
NOT_MODELLED = (
    "spike traffic between cores and chips",
    "static power and latency",
    "energy of the first layer's multiply-accumulates, which the host or the chip may do",
    "sharing of one core by several populations, and of kernels between the neurons of a convolution",
)
Document = dict[str, Any]


def costs(network: IntegerNetwork, stimulus: Stimulus, profiles: list[str]) -> Document:
    """Run ``network`` on ``stimulus`` and return operations, energy and placement for every profile."""
    loaded = [load_profile(name) for name in profiles]
    names = [profile.name for profile in loaded]
    if len(set(names)) != len(names):
        raise ProfileError(f"two of the profiles {', '.join(profiles)} are called {max(names, key=names.count)!r}")
    steps = fast.steps(network, stimulus, keep=(), count=True)
    counts = gathered(network, (step.count for step in steps if step.count), len(stimulus))
    neurons = sum(math.prod(population.shape) for population in network.neurons)
    return {
        "schema": SCHEMA,
        "spikeport": metadata.version("spikeport"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "network": _network(network, neurons),
        "operations": _operations(counts),
        "spikes": [asdict(found) for found in counts.spikes],
        "energy": {profile.name: _energy(profile, counts, neurons) for profile in loaded},
        "placement": {profile.name: _placement(profile, place(network, profile)) for profile in loaded},
        "not_modelled": list(NOT_MODELLED),
    }


def write(document: Document, folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` to ``folder``."""
    write_text(folder / "report.json", json.dumps(document, indent=1) + "\n")
    write_text(folder / "report.html", html.render(document))


def _network(network: IntegerNetwork, neurons: int) -> Document:
    proof = prove(network)
    return {
        "digest": archive.digest(network),
        "proven": is_safe(network),
        "steps": network.steps,
        "neurons": neurons,
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
        "per_image": counts.formula / counts.images,
        "first_layer_macs": counts.macs,
        "layers": [_layer(layer) for layer in counts.layers],
    }


def _layer(layer: LayerCount) -> Document:
    return {**asdict(layer), "kind": "MAC" if layer.graded else "AC", "difference": layer.formula - layer.simulated}


def _energy(profile: HardwareProfile, counts: OperationCounts, neurons: int) -> Document:
    used = {key: constant for key, constant in constants(profile).items() if key.startswith("energy.")}
    return {
        **asdict(energy(profile, counts, neurons)),
        "constants": {
            key: {"value": c.value, "unit": c.unit, "evidence": c.evidence, "source": c.source}
            for key, c in used.items()
        },
    }


def _placement(profile: HardwareProfile, placement: Placement) -> Document:
    return {
        "description": profile.description,
        "cores": len(placement.cores),
        "chips": placement.chips,
        "max_core_memory_bytes": placement.max_core_memory,
        "lower_bounds": {"neurons": placement.bound_by_neurons, "memory": placement.bound_by_memory},
        "per_core": [_core(profile, core) for core in placement.cores],
    }


def _core(profile: HardwareProfile, core: Core) -> Document:
    resources = [rule(profile, core.use) for rule in RULES]
    shares = {r.resource: r.used / r.available for r in resources if r.available}
    return {
        "population": core.population,
        "first": core.first,
        "last": core.last,
        "synapses": core.use.synapses,
        "used": {r.resource: r.used for r in resources},
        "available": {r.resource: r.available for r in resources},
        "utilisation": shares,
        "fullest": max(shares, key=lambda resource: shares[resource]),
    }
