"""lava-dl's own answers: netx in Lava for spikes and potentials of .net files, slayer for files that it exports.

``netx/record.py`` made files and answers with lava-dl 0.6.0; it says how.
"""

from pathlib import Path

import numpy as np
import pytest

from spikeport.export.executors import fast, reference
from spikeport.export.formats import netx
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

FILES = Path(__file__).parent / "netx"
LAVA = sorted(path.stem for path in FILES.glob("lava_*.net"))
SLAYER = sorted(path.stem for path in FILES.glob("slayer_*.net"))


def test_files_of_every_kind_are_there():
    assert len(LAVA) == 20
    assert len(SLAYER) == 5


@pytest.mark.parametrize("name", LAVA)
def test_netx_in_lava_gives_the_same_spikes_and_potentials(name):
    with np.load(FILES / "lava.npz") as recorded:
        answers = {key.partition("/")[2]: recorded[key] for key in recorded.files if key.startswith(f"{name}/")}
    frames = answers["input"]
    network = netx.read(FILES / f"{name}.net", steps=len(frames), levels=max(1, int(frames.max())))
    runs = [record(engine.steps(network, stimulus(frames[None], network))) for engine in (reference, fast)]
    layers = network.populations[1:]
    spikes = [answers[f"spikes{index}"] for index in range(len(layers))]
    for population, expected in zip(layers, spikes, strict=True):
        for run in runs:
            if population in network.silent:
                assert not expected.any()
                assert np.array_equal(run[population.name][0], answers["potential"])
            else:
                assert np.array_equal(run[population.name][0], expected)
    assert spikes[0].any() or network.silent


@pytest.mark.parametrize("name", SLAYER)
def test_slayers_own_file_gives_the_spikes_of_its_blocks(name):
    """Hidden layers with a delay are compared behind it; a readout's voltage counts as many units as the threshold."""
    with np.load(FILES / "slayer.npz") as recorded:
        kind = name.removeprefix("slayer_")
        frames, first, last = (recorded[f"{kind}/{key}"] for key in ("input", "layer0", "layer1"))
    network = netx.read(FILES / f"{name}.net", steps=len(frames), inclusive=True)
    found = record(reference.steps(network, stimulus(frames[None], network)))
    if network.silent:
        assert np.array_equal(found[network.neurons[0].name][0], first.astype(bool))
        potential = found[network.readout.name][0]
        if kind == "affine_off":
            potential = np.diff(potential, axis=0, prepend=0)
        assert np.array_equal(potential, last * 2**12)
    else:
        assert np.array_equal(found[network.readout.name][0], last.astype(bool))
    assert last.any()
