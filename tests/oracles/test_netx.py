"""lava-dl's own answers: netx in Lava for spikes and potentials of .net files, slayer for files that it exports.

``netx/record.py`` made files and answers with lava-dl 0.6.0; it says how.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from spikeport.export.executors import fast, reference
from spikeport.export.formats import netx
from spikeport.export.lava import environment
from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.export.formats.test_netx import has_netx

FILES = Path(__file__).parent / "netx"
LAVA = sorted(path.stem for path in FILES.glob("lava_*.net"))
SLAYER = sorted(path.stem for path in FILES.glob("slayer_*.net"))


def test_files_of_every_kind_are_there():
    assert len(LAVA) == 20
    assert len(SLAYER) == 6


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


def test_potentials_at_the_threshold_tell_newer_slayer_from_older():
    with np.load(FILES / "slayer.npz") as recorded:
        frames, last = recorded["ties/input"], recorded["ties/layer1"].astype(bool)
    differ = {}
    for dialect in ("slayer", "slayer-0.3"):
        network = netx.read(FILES / "slayer_ties.net", steps=len(frames), dialect=dialect)
        found = record(reference.steps(network, stimulus(frames[None], network)))[network.readout.name][0]
        differ[dialect] = int((found != last).sum())
    assert differ["slayer"] == 0
    assert differ["slayer-0.3"] > 5


@pytest.mark.parametrize("name", SLAYER)
def test_slayers_own_file_gives_the_spikes_of_its_blocks(name):
    """Hidden layers with a delay are compared behind it; a readout's voltage counts as many units as the threshold."""
    with np.load(FILES / "slayer.npz") as recorded:
        kind = name.removeprefix("slayer_")
        frames, first, last = (recorded[f"{kind}/{key}"] for key in ("input", "layer0", "layer1"))
    network = netx.read(FILES / f"{name}.net", steps=len(frames), dialect="slayer")
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


RUN = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from record import in_lava
spikes, potential = in_lava(sys.argv[2], np.load(sys.argv[3]), int(sys.argv[4]))
np.savez(sys.argv[5], potential=potential, **{f"spikes{index}": each for index, each in enumerate(spikes)})
"""


def recurrent(seed, *, levels):
    """Two recurrent blocks with a bias and a readout, with decays and exponents of their own."""
    rng, populations = np.random.default_rng(seed), []
    populations.append(IntegerPopulation(name="input", shape=(5,), neuron=Source(levels=levels, unit=1 / levels)))
    projections = []
    for index, (decay_u, decay_v) in enumerate([(3000, 200), (4096, 0), (4096, 400)]):
        last, name = index == 2, f"l{index}"
        neuron = IntegerNeuron(
            threshold=None if last else 90 * (levels if index == 0 else 1),
            bias_mantissa=64 * rng.integers(-3, 9, 4),
            decay_u=decay_u,
            decay_v=decay_v,
        )
        populations.append(IntegerPopulation(name=name, shape=(4,), neuron=neuron))
        ends = [(populations[-2].name, 0)] + ([] if last else [(name, 1)])
        for source, delay in ends:
            weight = rng.integers(-70, 110, (4, 5 if source == "input" else 4)).astype(np.int8)
            projections.append(
                IntegerProjection(
                    source=source, target=name, synapses=Dense(weight=weight), delay=delay, exponent=int(delay)
                )
            )
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=14)


@pytest.mark.oracle
@pytest.mark.skipif(not has_netx(), reason="lava-dl is not installed; spikeport lava install --netx (5.6 GB)")
@pytest.mark.parametrize("levels", [1, 255])
def test_netx_runs_what_we_write_of_recurrent_blocks_and_readouts(tmp_path, levels):
    network = recurrent(levels, levels=levels)
    netx.write(network, tmp_path / "network.net")
    frames = np.random.default_rng(0).integers(0, levels + 1, (network.steps, 5))
    np.save(tmp_path / "frames.npy", frames)
    (tmp_path / "run.py").write_text(RUN)
    arguments = [tmp_path / "run.py", FILES, tmp_path / "network.net", tmp_path / "frames.npy", str(levels)]
    subprocess.run(
        [environment.python(), *arguments, tmp_path / "found.npz"],
        check=True,
        timeout=300,
        env={"PATH": "/usr/bin"},
        cwd=tmp_path,
    )
    expected = record(reference.steps(network, stimulus(frames[None], network)))
    with np.load(tmp_path / "found.npz") as found:
        for index in range(2):
            assert expected[f"l{index}"].any()
            assert np.array_equal(found[f"spikes{index}"].astype(bool), expected[f"l{index}"][0])
        assert np.array_equal(found["potential"], expected["l2"][0])
