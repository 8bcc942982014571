"""Our counts of the cases beside the recordings of the other tools, integer by integer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import OperationCounts, count
from spikeport.hardware_profiles.encoding import list_bits, weight_bits
from spikeport.hardware_profiles.profile import load_profile
from tests.oracles.hardware.cases import Case, cases
from tests.oracles.hardware.networks import network_of

Pairs = Iterator[tuple[str, int, int]]
"""What is counted, by us, by the other tool."""


def recorded(tool: str) -> dict[str, Any]:
    """Return a tool's recording."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / f"{tool}.json").read_text(encoding="utf-8"))
    return found


def counted(case: Case, images: slice = slice(None)) -> OperationCounts:
    """Return our counts of some images of a case."""
    network = network_of(case)
    driven = Stimulus(values=case.frames[images], steps=network.steps, held=False)
    return count(network, driven, verify=len(driven))


def sana_fe() -> Pairs:
    """Yield synaptic events, mode fused, and spikes: totals, layers and images."""
    for case in cases():
        found, expected = counted(case), recorded("sanafe")["cases"][case.name]
        yield from _spikes(case, found, expected)
        assert found.verification is not None
        for layer, each in zip(found.verification.layers, expected["layers"], strict=True):
            yield f"{case.name} {layer.target} simulated", int(layer.simulated or 0), each
        for layer, each in zip(found.layers, expected["layers"], strict=True):
            yield f"{case.name} {layer.target} formula", layer.formula, each
        for number, each in enumerate(expected["images"]):
            yield f"{case.name} image {number}", counted(case, slice(number, number + 1)).formula, each


def neurobench() -> Pairs:
    """Yield synaptic operations, mode relay: accumulates and, of pooled inputs, what it calls multiply-accumulates."""
    for case in cases():
        found, expected = counted(case), recorded("neurobench")["cases"][case.name]
        yield from _spikes(case, found, expected)
        for layer, each in zip(found.layers, expected["layers"], strict=True):
            yield f"{case.name} {layer.target}", layer.relay, each["effective_acs"] + each["effective_macs"]
        for number, each in enumerate(expected["images"]):
            ours = int(counted(case, slice(number, number + 1)).total("relay"))
            yield f"{case.name} image {number}", ours, each["effective_acs"] + each["effective_macs"]


def nengo_loihi() -> Pairs:
    """Yield bits of lists (compression 0 holds an index, 3 none), and of the largest weight of each field."""
    encoding = load_profile("loihi1").encoding
    assert encoding is not None
    for each in recorded("nengo_loihi")["lists"]:
        entry = each["weight_bits"] + (each["index_bits"] if each["compression"] == 0 else 0)
        yield f"{each}", int(list_bits(encoding, np.array(each["weights"]), entry)), each["bits"]
    for each in recorded("nengo_loihi")["weights"]:
        ends = np.array([-each["largest"] if each["mixed"] else 0, each["largest"]])
        if each["largest"]:
            yield f"{each}", weight_bits(ends, encoding), each["weight_bits"]


def _spikes(case: Case, found: OperationCounts, expected: dict[str, Any]) -> Pairs:
    for each in found.spikes:
        yield f"{case.name} spikes of {each.population}", each.spikes, expected["spikes"][each.population]


TOOLS = {"SANA-FE": sana_fe, "NeuroBench": neurobench, "nengo-loihi": nengo_loihi}
