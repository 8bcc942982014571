"""Synaptic operations of float networks beside what NeuroBench, SANA-FE and sinabs count of the same networks.

The first two were recorded on small spiking networks (`tests/oracles/hardware`); here these are float networks with
average pooling as a stage. sinabs' network fires several spikes a step; `record_sinabs.py` recorded its own counter.
"""

from pathlib import Path

import numpy as np
import pytest

from spikeport.export.nir_import.graph import read
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.counting import count
from tests.hardware_profiles.float_networks import as_float
from tests.oracles.hardware.cases import cases
from tests.oracles.hardware.compare import recorded
from tests.oracles.hardware.networks import network_of

pytestmark = pytest.mark.oracle
FOLDER = Path(__file__).parent / "hardware"


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_neurobench_and_sana_fe_count_the_same(case):
    network = as_float(network_of(case), pools=True)
    found = count(network, Stimulus(values=case.frames, steps=network.steps, held=False), verify=len(case.frames))
    neurobench, sana_fe = (recorded(tool)["cases"][case.name] for tool in ("neurobench", "sanafe"))
    operations = [each["effective_acs"] + each["effective_macs"] for each in neurobench["layers"]]
    assert [layer.relay for layer in found.layers] == operations
    assert [layer.formula for layer in found.layers] == sana_fe["layers"]
    assert [layer.reference for layer in found.verification.layers] == sana_fe["layers"]
    assert {each.population: each.spikes for each in found.spikes}.items() <= neurobench["spikes"].items()


def test_sinabs_counts_the_same_of_neurons_that_fire_several_times_a_step():
    file = np.load(FOLDER / "sinabs.npz", allow_pickle=False)
    network, _ = read(FOLDER / "sinabs.nir", dialect="sinabs", steps=file["inputs"].shape[1])
    for number in range(len(file["inputs"])):
        values = file["inputs"][number : number + 1]
        found = count(network, Stimulus(values=values, steps=network.steps, held=False))
        layers = {layer.target: layer for layer in found.layers}
        spikes = {each.population: each for each in found.spikes}
        assert [spikes[name].spikes for name in ("1", "4", "7", "9")] == file["spikes"][number].tolist()
        events = {layer.target: layer for layer in found.verification.layers}
        for name, expected in zip(("1", "4", "7", "9"), file["operations"][number].tolist(), strict=True):
            assert layers[name].formula == events[name].reference == expected
        assert max(each.rate for each in found.spikes) > 1
