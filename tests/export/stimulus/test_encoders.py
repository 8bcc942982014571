"""Spike encoders: exact cases, statistics, the folder as registry, and what becomes of numbers that are no pixels."""

import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import StimulusError
from spikeport.export.network import Dense, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.export.stimulus import InputSettings, encoders, random_stimulus, stimulus
from spikeport.export.stimulus.encoders import (
    encoder,
    encoder_names,
    latency,
    phase,
    phase_bits,
    poisson,
    rsc,
    usable_names,
)

pixels = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)
counts = st.integers(1, 40)


def network_of(levels=1, unit=1.0, *, size=4, steps=8):
    """Return pixels -> neurons that add up what they get and never fire."""
    readout = FloatPopulation(name="out", shape=(size,), neuron=FloatNeuron(threshold=None))
    return FloatNetwork(
        populations=(FloatPopulation(name="input", shape=(size,), neuron=Source(levels=levels, unit=unit)), readout),
        projections=(FloatProjection(source="input", target="out", stages=(Dense(weight=np.eye(size)),)),),
        steps=steps,
    )


def test_the_folder_is_the_registry():
    assert encoder_names() == sorted(module.name for module in pkgutil.iter_modules(encoders.__path__))
    assert encoder_names() == ["latency", "phase", "phase_bits", "poisson", "rsc"]
    assert usable_names() == ["latency", "phase", "poisson"]
    with pytest.raises(StimulusError, match="no spike encoder 'rate'; there are latency, phase, phase_bits, poisson"):
        encoder("rate")


@pytest.mark.parametrize("name", encoder_names())
def test_a_file_holds_a_function_its_levels_and_what_it_does_to_a_network(name):
    found = encoder(name)
    assert list(inspect.signature(found.encode).parameters) == ["pixels", "steps", "generator", *found.settings]
    assert found.note.startswith(f"{name}: ")
    settings = dict.fromkeys(found.settings, 0.5)
    sent = found.encode(np.linspace(0, 1, 9).reshape(3, 3), 5, np.random.default_rng(0), **settings)
    assert sent.shape == (5, 3 * found.channels, 3)
    assert sent.dtype == (np.float64 if found.levels is None else np.uint8)
    assert sent.max() <= (found.levels or 1)


def test_phase_bits_are_the_levels_of_phase_in_a_channel_each():
    values = np.random.default_rng(0).random((3, 4, 5))
    bits = phase_bits.encode(values, 11, np.random.default_rng(0)).reshape(11, 8, 3, 4, 5)
    weights = 2 ** np.arange(7, -1, -1)[None, :, None, None, None]
    assert np.array_equal((bits * weights).sum(axis=1), phase.encode(values, 11, np.random.default_rng(0)))
    assert all(not np.delete(bits[step], step % 8, 0).any() for step in range(11))


@pytest.mark.parametrize("each_step", [0, 1])
def test_smoothing_adds_noise_of_its_deviation_once_or_in_every_step(each_step):
    values = np.full((100, 100), 0.5)
    sent = rsc.encode(values, 4, np.random.default_rng(0), sigma=0.1, each_step=each_step)
    assert len(sent) == (4 if each_step else 1)
    assert sent[0].mean() == pytest.approx(0.5, abs=4 * 0.1 / 100)
    assert sent[0].std() == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(2 * 1e4))
    edges = rsc.encode(np.array([0.0, 1.0]).repeat(1000), 1, np.random.default_rng(0), sigma=0.1, each_step=0)
    assert (edges.min(), edges.max()) == (0, 1)
    assert 0.4 < (edges == 0).mean() * 2 < 0.6


def test_a_new_file_is_an_encoder(tmp_path, monkeypatch):
    text = '"""Always."""\nimport numpy as np\nLEVELS, NOTE = 1, "always: all"\n'
    text += "def encode(pixels, steps, generator):\n    return np.ones((steps, *pixels.shape), np.uint8)\n"
    (tmp_path / "always.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(encoders, "__path__", [*encoders.__path__, str(tmp_path)])
    found = stimulus(np.zeros((2, 4)), network_of(), settings=InputSettings(input_as="always"))
    assert found.values.shape == (2, 8, 4)
    assert found.values.all()


@given(pixels, counts)
def test_latency_fires_once_and_earlier_for_brighter_pixels(values, steps):
    sent = latency.encode(values, steps, np.random.default_rng(0))
    assert np.array_equal(sent.sum(axis=0), values > 0)
    first = np.where(values > 0, sent.argmax(axis=0), steps)
    order = np.argsort(values)
    assert np.all(np.diff(first[order]) <= 0)


@pytest.mark.parametrize(("value", "step"), [(1.0, 0), (0.9, 1), (0.5, 4), (0.51, 3), (1e-9, 7)])
def test_latency_of_known_pixels(value, step):
    """(1 - 0.9) 7 + 0.5 = 1.2; (1 - 0.5) 7 + 0.5 = 4; (1 - 0.51) 7 + 0.5 = 3.93."""
    assert np.flatnonzero(latency.encode(np.array([value]), 8, np.random.default_rng(0))[:, 0]).tolist() == [step]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20).map(np.array), st.integers(1, 4))
def test_phases_of_a_period_add_up_to_the_pixel(levels, periods):
    sent = phase.encode(levels / 255, 8 * periods, np.random.default_rng(0)).astype(int)
    assert np.array_equal(sent.sum(axis=0), periods * levels)
    weights = 2 ** (7 - np.arange(8 * periods) % 8)[:, None]
    assert np.all((sent == 0) | (sent == weights))


def test_phase_sends_the_most_significant_bit_first():
    sent = phase.encode(np.array([0b1010_0001 / 255]), 10, np.random.default_rng(0))
    assert sent[:, 0].tolist() == [128, 0, 32, 0, 0, 0, 0, 1, 128, 0]


def test_poisson_fires_with_the_probability_of_the_pixel_and_independently():
    values = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    sent = poisson.encode(values, 40_000, np.random.default_rng(5)).astype(float)
    deviation = np.sqrt(values * (1 - values) / len(sent))
    assert np.all(np.abs(sent.mean(axis=0) - values) <= 4 * deviation)
    middle = sent[:, 1:4] - values[1:4]
    scale = np.sqrt(values * (1 - values))[1:4]
    together = (middle[:, :, None] * middle[:, None, :]).mean(axis=0) / np.outer(scale, scale)
    assert np.all(np.abs(together - np.eye(3)) < 0.03)
    after = (middle[1:] * middle[:-1]).mean(axis=0) / scale**2
    assert np.all(np.abs(after) < 0.03)


def test_samples_draw_apart_and_seeds_differ():
    values = np.full((3, 4), 0.5)
    settings = InputSettings(input_as="poisson", encoder_seed=7)
    whole = stimulus(values, network_of(steps=50), settings=settings).values
    assert np.array_equal(stimulus(values[:2], network_of(steps=50), settings=settings).values, whole[:2])
    assert not np.array_equal(whole[0], whole[1])
    other = stimulus(values, network_of(steps=50), settings=InputSettings(input_as="poisson", encoder_seed=8)).values
    assert not np.array_equal(other, whole)


@pytest.mark.parametrize(
    ("values", "unit", "share"),
    [
        (np.array([[0, 51, 102, 255]], np.uint8), None, [0, 0.2, 0.4, 1]),
        (np.array([[0, 3, 6, 15]]), 1 / 15, [0, 0.2, 0.4, 1]),
        (np.array([[0, 0.2, 0.4, 1]]), None, [0, 0.2, 0.4, 1]),
        (np.array([[False, True, True, False]]), None, [0, 1, 1, 0]),
    ],
)
def test_numbers_become_shares_of_white(values, unit, share, monkeypatch):
    seen = []
    monkeypatch.setattr(poisson, "encode", lambda p, t, _: seen.append(p) or np.zeros((t, *p.shape), np.uint8))
    stimulus(values, network_of(), settings=InputSettings(input_as="poisson", unit=unit))
    assert seen[0] == pytest.approx(share)


@pytest.mark.parametrize(
    ("values", "unit", "message"),
    [
        (np.array([[0, 1, 1, 0]], np.uint8), None, r"uint8 integers 0\.\.1, .* \(--unit 1/255: .* --unit 1: zeros"),
        (np.array([[0, 255, 1, 0]]), None, r"int64 integers 0\.\.255, and an encoder takes pixels; say what"),
        (np.array([[0.0, 1.5, 0, 0]]), None, r"sample 0 holds 1\.5, and its pixels go up to 1\.5 of the full scale"),
        (np.array([[0.0, 0, 0, 0], [0, 0, -0.5, 0]]), None, r"sample 1 holds -0\.5, .* an encoder takes 0 to 1"),
        (np.array([[0, 20, 0, 0]]), 0.1, r"sample 0 holds 20, and its pixels go up to 2 of the full scale"),
        (np.array([[0, np.nan, 0, 0]]), None, r"sample 0 holds nan"),
        (np.zeros((1, 8, 4)), None, r"has shape \(1, 8, 4\), step by step; expected images \(N, \.\.\.\)"),
    ],
)
def test_numbers_that_are_no_pixels_are_refused(values, unit, message):
    with pytest.raises(StimulusError, match=message):
        stimulus(values, network_of(), settings=InputSettings(input_as="poisson", unit=unit))


def test_settings_name_what_there_is():
    with pytest.raises(StimulusError, match="cannot go in as 'rate'; expected one of bias, latency, phase, poisson"):
        InputSettings(input_as="rate")
    with pytest.raises(StimulusError, match="seed of the encoder"):
        InputSettings(encoder_seed=-1)
    with pytest.raises(StimulusError, match=r"the encoder phase sends levels 0\.\.255; the network takes spikes"):
        stimulus(np.zeros((1, 4)), network_of(), settings=InputSettings(input_as="phase"))


def test_what_an_encoder_does_to_accuracy_is_said():
    found = stimulus(np.zeros((1, 4), np.uint8) + 9, network_of(), settings=InputSettings(input_as="latency"))
    assert found.notes == (
        "the input's integers are taken as pixels 0..255; --unit says otherwise",
        latency.NOTE,
    )
    assert not found.held


def test_lengths_end_spikes_too():
    settings = InputSettings(input_as="poisson")
    found = stimulus(np.ones((2, 4)), network_of(), lengths=np.array([3, 8]), settings=settings)
    assert found.values.sum(axis=(1, 2)).tolist() == [12, 32]


def test_random_samples_are_pixels_that_the_encoder_codes():
    found = random_stimulus(network_of(steps=200), 3, 1, settings=InputSettings(input_as="poisson"))
    rates = found.values.mean(axis=1)
    assert 0.05 < rates.std() < 0.5
    assert found.values.shape == (3, 200, 4)
