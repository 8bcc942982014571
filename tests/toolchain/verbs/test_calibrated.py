"""Calibration samples give steps and levels where nothing else does; an option wins, contradictions are refused."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

import spikeport
from spikeport.export import archive
from spikeport.export.errors import FormatError, StimulusError
from spikeport.export.network import Source
from spikeport.export.stimulus import InputSettings, Intake
from spikeport.export.stimulus.observed import Observed, observed
from tests.toolchain.invoking import invoke, small_float

Settings, Source_ = spikeport.QuantizeSettings, spikeport.ImportSettings


@pytest.fixture
def nir(tmp_path):
    """Return a NIR file without metadata, so without steps and levels, of 6 inputs, 5 neurons and 3 that add up."""
    path = tmp_path / "model.nir"
    spikeport.export_network(small_float(), path, to="nir-float")
    with h5py.File(path, "r+") as file:
        del file["node/metadata"]
    return path


def counts(highest=3, steps=7, samples=4):
    found = np.random.default_rng(0).integers(0, highest, (samples, steps, 6))
    found[0, 0, 0] = highest
    return found


NIR = Source_(dialect="nir", dt=1.0)


def test_frames_of_counts_give_steps_and_levels(nir):
    done = spikeport.quantize(nir, calibration=counts(), settings=Settings(source=NIR))
    assert done.network.steps == 7
    assert done.network.source.neuron == Source(levels=3, unit=1.0)
    told = [line for line in done.text().splitlines() if "calibration samples" in line]
    assert told == [
        "T is 7 steps: those of the calibration samples; --steps takes another number",
        "input levels are 0..3 of 1 each: the highest count of the calibration samples; --levels takes another",
    ]
    said = spikeport.quantize(
        nir, calibration=counts(), settings=Settings(source=replace(NIR, steps=7, levels=3, unit=1.0))
    )
    assert archive.digest(said.network) == archive.digest(done.network)
    assert "calibration samples;" not in said.text()


def test_a_given_option_wins_and_a_contradiction_is_refused(nir):
    wider = spikeport.quantize(nir, calibration=counts(), settings=Settings(source=replace(NIR, levels=9, unit=1.0)))
    assert (wider.network.source.neuron.levels, wider.network.steps) == (9, 7)
    with pytest.raises(StimulusError, match="its samples have 7 steps, the network 5; --steps of import, quantize"):
        spikeport.quantize(nir, calibration=counts(), settings=Settings(source=replace(NIR, steps=5)))
    with pytest.raises(StimulusError, match=r"the input spans 0\.\.3; expected 0\.\.2: .* quantize it again with"):
        spikeport.quantize(nir, calibration=counts(), settings=Settings(source=replace(NIR, levels=2, unit=1.0)))


def test_held_samples_show_no_steps(nir):
    with pytest.raises(FormatError, match="NIR does not say how many steps a sample takes"):
        spikeport.quantize(nir, calibration=counts()[:, 0], settings=Settings(source=NIR))
    with pytest.raises(FormatError, match="NIR does not say how many steps a sample takes"):
        spikeport.quantize(nir, settings=Settings(source=NIR))


def test_archive_of_spikes_takes_levels_and_one_of_levels_stays():
    network = small_float(steps=7)
    done = spikeport.quantize(network, calibration=counts())
    assert done.network.source.neuron == Source(levels=3, unit=1.0)
    spikes = spikeport.quantize(network, calibration=counts(1))
    assert spikes.network.source.neuron == Source(levels=1, unit=1.0)
    assert "calibration samples;" not in spikes.text()
    graded = spikeport.quantize(small_float(steps=7, levels=5), calibration=counts())
    assert graded.network.source.neuron.levels == 5


def test_event_lists_give_bins_and_the_highest_count(monkeypatch, capsys, nir, tmp_path):
    events = np.array([(0, 5), (0, 900), (1, 1500), (0, 700), (5, 3999)], [("x", "i4"), ("t", "i8")])
    np.save(tmp_path / "events.npy", events)
    arguments = ("quantize", nir, "--dialect", "nir", "--dt", 1, "--calibration", tmp_path / "events.npy")
    out = tmp_path / "network.safetensors"
    code, text, _ = invoke(monkeypatch, capsys, *arguments, "--bin", "1ms", "--incomplete", "--out", out)
    assert code == 0
    assert "T is 4 steps: those of the calibration samples" in text
    assert "input levels are 0..3 of 1 each" in text
    assert archive.read(out).steps == 4


INTAKE = Intake(shape=(1, 2, 2), steps=9, source=Source(levels=1), real=True)
CASES = {
    "frames of counts": (np.full((2, 5, 1, 2, 2), 4), None, Observed(steps=5, highest=4)),
    "held counts": (np.full((2, 1, 2, 2), 4), None, Observed(steps=None, highest=4)),
    "whole numbers as floats": (np.full((2, 5, 1, 2, 2), 2.0), None, Observed(steps=5, highest=2)),
    "fractions": (np.full((2, 5, 1, 2, 2), 0.5), None, Observed(steps=5, highest=None)),
    "pixels": (np.full((2, 1, 2, 2), 200, np.uint8), None, Observed(steps=None, highest=None)),
    "negative": (np.full((2, 1, 2, 2), -1), None, Observed(steps=None, highest=None)),
    "samples of several lengths": (
        [np.ones((3, 1, 2, 2), int), np.ones((8, 1, 2, 2), int)],
        None,
        Observed(steps=8, highest=1),
    ),
    "of pixels' unit": (np.full((2, 5, 1, 2, 2), 4), InputSettings(unit=1 / 255), Observed(steps=5, highest=None)),
    "encoded": (np.full((2, 1, 2, 2), 4), InputSettings(input_as="poisson"), Observed()),
}


@pytest.mark.parametrize("case", CASES)
def test_what_samples_show(case):
    values, settings, expected = CASES[case]
    assert observed(values, INTAKE, settings) == expected


def test_signals_without_height_show_their_steps():
    intake = replace(INTAKE, shape=(2, 1, 8))
    assert observed(np.ones((3, 6, 2, 8), int), intake).steps == 6
    assert observed(np.ones((3, 2, 8), int), intake).steps is None
