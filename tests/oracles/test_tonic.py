"""Event lists against tonic 1.7: its frames, its cache and its reader, recorded by tonic/record.py."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import spikeport
from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.export.stimulus import InputSettings, Intake, read, stimulus

pytestmark = pytest.mark.oracle
FOLDER = Path(__file__).parent / "tonic"
FRAMES = np.load(FOLDER / "frames.npz")
RECORDINGS = np.load(FOLDER / "recordings.npz")
INTAKE = Intake(shape=(2, 5, 7), steps=5000, source=Source(levels=255, unit=1.0), real=False)
DATA_SET = [RECORDINGS[f"r{index % 7}"] for index in range(14)]
"""What record.py caches, in its order; labels are the numbers modulo 3."""


def settings_of(name):
    number, how, *rest = name.split()
    if how == "bins":
        return number, InputSettings(frames=int(rest[0]))
    return number, InputSettings(bin=f"{rest[0]}us", incomplete=rest[1] == "1")


@pytest.mark.parametrize("name", FRAMES.files)
def test_frames_equal_those_of_to_frame(name):
    number, settings = settings_of(name)
    expected = FRAMES[name]
    ours = stimulus(RECORDINGS[f"r{number}"], replace(INTAKE, steps=len(expected)), settings=settings)
    assert ours.values.shape == (1, *expected.shape)
    assert np.array_equal(ours.values[0], expected)
    if len(expected) > 1 and settings.bin:
        with pytest.raises(StimulusError, match=rf"import it with --steps {len(expected)}, or take bins of at least"):
            stimulus(RECORDINGS[f"r{number}"], replace(INTAKE, steps=len(expected) - 1), settings=settings)


def test_bins_that_the_message_names_fit():
    for number, incomplete in [(n, i) for n in range(7) for i in (False, True)]:
        events = RECORDINGS[f"r{number}"]
        intake = replace(INTAKE, steps=3)
        with pytest.raises(StimulusError, match="take bins of at least") as found:
            stimulus(events, intake, settings=InputSettings(bin="1us", incomplete=incomplete))
        least = int(str(found.value).split("at least ")[1].split(" us")[0].replace(",", ""))
        assert stimulus(events, intake, settings=InputSettings(bin=f"{least}us", incomplete=incomplete)).steps == 3
        with pytest.raises(StimulusError, match="take bins of at least"):
            stimulus(events, intake, settings=InputSettings(bin=f"{least - 1}us", incomplete=incomplete))


def test_cache_of_events_is_read_in_the_order_of_the_data_set_with_its_labels():
    intake = replace(INTAKE, steps=30)
    found, labels = read(FOLDER / "cache_events", intake, settings=InputSettings(bin="1ms"))
    expected = stimulus(DATA_SET, intake, settings=InputSettings(bin="1ms"))
    assert np.array_equal(found.values, expected.values)
    assert labels.tolist() == [index % 3 for index in range(14)]


def test_cache_of_frames_is_read_padded_and_that_is_said():
    found, labels = read(FOLDER / "cache_frames", replace(INTAKE, steps=12))
    for index in range(14):
        expected = FRAMES[f"{index % 7} window 2500 0"]
        assert np.array_equal(found.values[index, : len(expected)], expected)
        assert not found.values[index, len(expected) :].any()
    assert labels.tolist() == [index % 3 for index in range(14)]
    assert found.notes == ("14 of 14 samples have fewer than 12 steps (the shortest has 1): zeros follow",)


def test_the_five_lines_of_the_manual_give_the_same_samples_with_their_lengths():
    intake = replace(INTAKE, steps=12)
    found, labels = read(FOLDER / "samples.npz", intake)
    cached, cached_labels = read(FOLDER / "cache_frames", intake)
    assert np.array_equal(found.values, cached.values)
    assert labels.tolist() == cached_labels.tolist()
    assert found.lengths.tolist() == [len(FRAMES[f"{index % 7} window 2500 0"]) for index in range(14)]


@pytest.mark.skipif(importlib.util.find_spec("aedat") is None, reason="aedat, the extra 'events', is not installed")
def test_camera_file_is_read_as_tonic_reads_it():
    intake = replace(INTAKE, steps=9)
    camera = np.load(FOLDER / "camera.npz")
    expected = stimulus(
        np.rec.fromarrays([camera[n] for n in "xyt"] + [camera["on"]], names="x,y,t,p"),
        intake,
        settings=InputSettings(bin="1ms"),
    )
    found, labels = read(FOLDER / "camera.aedat4", intake, settings=InputSettings(bin="1ms"))
    assert np.array_equal(found.values, expected.values)
    assert labels is None
    own = stimulus(RECORDINGS["r1"], intake, settings=InputSettings(bin="1ms"))
    assert np.array_equal(found.values, own.values)


def test_input_settings_are_public():
    assert spikeport.InputSettings is InputSettings
