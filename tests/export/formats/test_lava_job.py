"""The folder for another machine: it runs there with nothing of spikeport installed."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import NetworkError
from spikeport.export.executors import reference
from spikeport.export.formats import lava_job
from spikeport.export.lava import environment
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Dense, IntegerProjection
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import record

NETWORK = small_network()


@pytest.mark.lava
def test_folder_runs_alone_and_gives_the_references_spikes(tmp_path):
    folder = tmp_path / "job"
    lava_job.write(NETWORK, folder)
    given = random_stimulus(NETWORK, 3, 1)
    np.save(folder / "stimulus.npy", given.values)
    command = [environment.python(), "-m", "spikeport.export.lava.worker", "."]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, env={"PATH": "/usr/bin"}, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"finished": True}
    expected = record(reference.steps(NETWORK, given))
    spikes = np.fromfile(folder / "trace" / "conv1", np.uint8).reshape(3, NETWORK.steps, -1)
    unpacked = np.unpackbits(spikes, axis=2, count=36).reshape(expected["conv1"].shape)
    assert np.array_equal(unpacked, expected["conv1"])
    potentials = np.fromfile(folder / "trace" / "readout", "<i4")
    assert np.array_equal(potentials, expected["readout"].ravel())


def test_readme_says_how_and_nothing_is_left_where_lava_cannot(tmp_path):
    lava_job.write(NETWORK, tmp_path / "job")
    text = (tmp_path / "job" / "README.md").read_text()
    assert "lava-nc==0.10.0" in text
    assert "pip install --require-hashes --no-deps -r requirements.txt" in text
    assert (tmp_path / "job" / "requirements.txt").read_bytes() == environment.REQUIREMENTS.read_bytes()
    assert "shape (N, 1, 6, 5), 0 to 255" in text
    neuron = replace(NETWORK.populations[1].neuron)
    readout = replace(NETWORK.populations[2], neuron=neuron, shape=(3,))
    back = IntegerProjection(
        source="readout", target="conv1", synapses=Dense(weight=np.zeros((36, 3), np.int8)), delay=1
    )
    readout = replace(readout, neuron=replace(neuron, threshold=np.array(1), bias_mantissa=np.array(0)))
    looped = replace(NETWORK, populations=(*NETWORK.populations[:2], readout), projections=(*NETWORK.projections, back))
    with pytest.raises(NetworkError, match="a loop with a shorter delay"):
        lava_job.write(looped, tmp_path / "bad")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job"]
