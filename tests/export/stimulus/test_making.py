import re
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Source
from spikeport.export.stimulus import Intake, encoding, making, random_stimulus, read, stimulus

NETWORK = small_network()


def test_held_and_timed_inputs_give_the_same_frames():
    images = np.arange(2 * 30, dtype=np.uint8).reshape(2, 1, 6, 5)
    held = stimulus(images, NETWORK)
    timed = stimulus(np.repeat(images[:, None], NETWORK.steps, axis=1), NETWORK)
    assert (held.held, timed.held) == (True, False)
    for step in range(NETWORK.steps):
        assert np.array_equal(held.frame(slice(0, 2), step), timed.frame(slice(0, 2), step))
    assert [(rows.start, rows.stop) for rows in held.batches(1)] == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 6, 5), np.uint8), "shape \\(2, 6, 5\\); expected \\(N, 1, 6, 5\\), or \\(N, 4, 1, 6, 5\\)"),
        (np.zeros((0, 1, 6, 5), np.uint8), "the input holds no samples, its shape is \\(0, 1, 6, 5\\)"),
        (
            np.full((1, 1, 6, 5), 1.5),
            "spans 1.5..1.5; expected 0..1, which the network's encoding maps",
        ),
        (np.full((1, 1, 6, 5), -0.1), "spans -0.1..-0.1; expected 0..1"),
        (np.full((1, 1, 6, 5), np.nan), "not finite"),
        (np.zeros((1, 1, 6, 5), complex), "type complex128; expected integers 0..255"),
        (np.full((1, 1, 6, 5), 256), "spans 256..256; expected 0..255"),
        (np.full((1, 1, 6, 5), -1), "spans -1..-1"),
    ],
)
def test_wrong_input_is_described(values, message):
    with pytest.raises(StimulusError, match=message):
        stimulus(values, NETWORK)


@pytest.mark.parametrize(
    ("shape", "axes", "way"),
    [
        ((2, 4, 5), (7, 4, 5, 2), "values = np.moveaxis(values, -1, -3)"),
        ((2, 4, 5), (7, 3, 4, 5, 2), "values = np.moveaxis(values, -1, -3)"),
        ((2, 5), (7, 5, 2), "values = np.moveaxis(values, -1, -2)"),
        ((1, 4, 5), (7, 4, 5), "values = values[:, None]"),
        ((1, 4, 5), (7, 3, 4, 5), "values = values[:, :, None]"),
    ],
)
def test_axes_in_another_order_are_refused_with_what_mends_them(shape, axes, way):
    """What the message says gives samples that are taken."""
    intake = Intake(shape=shape, steps=3, source=Source(levels=1, unit=1.0), real=True)
    values = np.zeros(axes)
    with pytest.raises(StimulusError, match=re.escape(way.removeprefix("values = ").replace("np.", "numpy."))):
        stimulus(values, intake)
    found = {"values": values, "np": np}
    exec(way, found)
    assert len(stimulus(found["values"], intake)) == 7


def test_random_stimulus_uses_every_level_and_its_seed():
    first, again, other = (random_stimulus(NETWORK, 200, seed).values for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert set(np.unique(first)) == set(range(256))


def test_both_file_forms_are_read(tmp_path):
    images, labels = np.arange(60, dtype=np.uint8).reshape(2, 1, 6, 5), np.array([1, 2])
    np.save(tmp_path / "images.npy", images)
    np.savez(tmp_path / "both.npz", images=images, labels=labels)
    np.savez(tmp_path / "only.npz", images=images)
    for name, expected in (("images.npy", None), ("both.npz", [1, 2]), ("only.npz", None)):
        driven, found = read(tmp_path / name, NETWORK)
        assert np.array_equal(driven.values, images)
        assert (None if found is None else found.tolist()) == expected


def test_real_images_are_encoded_as_the_source_says():
    levels = np.arange(60, dtype=np.uint8).reshape(2, 1, 6, 5) * 4
    for kind in (np.float32, np.float64):
        assert np.array_equal(stimulus((levels / 255).astype(kind), NETWORK).values, levels)
    between = stimulus(np.full((1, 1, 6, 5), 100.4 / 255), NETWORK).values
    assert np.all(between == 100)


def test_spikes_are_never_rounded_into_being():
    source = replace(NETWORK.source, neuron=Source(levels=1, unit=1.0))
    spiking = replace(NETWORK, populations=(source, *NETWORK.populations[1:]))
    assert stimulus(np.ones((1, 1, 6, 5)), spiking).values.dtype == np.uint8
    with pytest.raises(StimulusError, match="the network's input are spikes; expected only zeros and ones"):
        stimulus(np.full((1, 1, 6, 5), 0.7), spiking)


def test_real_images_are_encoded_in_parts_as_in_whole(monkeypatch):
    images = np.random.default_rng(0).random((7, 1, 6, 5))
    whole = stimulus(images, NETWORK).values
    monkeypatch.setattr(encoding, "AT_ONCE", 60)
    assert np.array_equal(stimulus(images, NETWORK).values, whole)
    assert whole.dtype == np.uint8


@pytest.mark.parametrize(("samples", "seed"), [(10**18, 0), (10**8, 0), (0, 0), (1.5, 0), (True, 0), (1, 2**64)])
def test_number_of_random_samples_is_bounded(samples, seed):
    with pytest.raises(StimulusError, match=r"(number of random samples|seed) is .*; expected one whole number from"):
        random_stimulus(NETWORK, samples, seed)


def test_memory_of_random_samples_is_bounded(monkeypatch):
    monkeypatch.setattr(making, "LARGEST_IMAGES", 1000)
    with pytest.raises(StimulusError, match=r"100 random samples of shape \(1, 6, 5\) take more than 1,000 bytes"):
        random_stimulus(NETWORK, 100, 0)


def padded(lengths=(4, 2)):
    """Return samples of different length, with numbers that fit nothing after their ends."""
    values = np.arange(2 * 4 * 30, dtype=np.int16).reshape(2, 4, 1, 6, 5)
    for row, length in zip(values, lengths, strict=True):
        row[length:] = -1
    return values, np.array(lengths)


def test_samples_of_different_length_are_silent_after_their_end(tmp_path):
    values, lengths = padded()
    found = stimulus(values, NETWORK, lengths=lengths)
    assert found.lengths.tolist() == [4, 2]
    assert np.array_equal(found.values[1, :2], values[1, :2])
    assert not found.values[1, 2:].any()
    np.savez(tmp_path / "a.npz", frames=values, lengths=lengths, labels=lengths)
    again, labels = read(tmp_path / "a.npz", NETWORK)
    assert np.array_equal(again.values, found.values)
    assert again.lengths.tolist() == labels.tolist() == [4, 2]
    assert again.part(slice(1, 2)).lengths.tolist() == [2]


def test_samples_with_lengths_may_all_be_shorter_than_the_network():
    values, lengths = padded((3, 2))
    found = stimulus(values[:, :3], NETWORK, lengths=lengths)
    assert np.array_equal(found.values, stimulus(values, NETWORK, lengths=lengths).values)
    held = stimulus(values[:, 0], NETWORK, lengths=lengths)
    assert (held.held, held.lengths.tolist()) == (True, [3, 2])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([4, 5], "sample 1 has length 5; expected 1 to 4 steps"),
        ([0, 4], "sample 0 has length 0; expected 1 to 4 steps"),
        ([4], r"'lengths' is int64 of shape \(1,\); expected 2 integers, one a sample"),
        ([4.0, 2.0], "'lengths' is float64"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, message):
    with pytest.raises(StimulusError, match=message):
        stimulus(padded()[0].clip(0), NETWORK, lengths=np.array(lengths))


def test_other_numbers_of_steps_are_refused_with_the_way_out():
    with pytest.raises(StimulusError, match="its samples have 3 steps, the network 4; --steps of import, quantize"):
        stimulus(np.zeros((2, 3, 1, 6, 5), int), NETWORK)
    with pytest.raises(StimulusError, match=r"its axes are \(time, sample\); swap them, values.swapaxes\(0, 1\)"):
        stimulus(np.zeros((4, 2, 1, 6, 5), int), NETWORK)


def test_one_sample_that_looks_like_as_many_as_steps_is_pointed_out():
    (note,) = stimulus(np.zeros((4, 1, 6, 5), int), NETWORK).notes
    assert note.startswith("the input is read as 4 samples, each held over 4 steps; one sample step by step has shape")
    assert not stimulus(np.zeros((3, 1, 6, 5), int), NETWORK).notes


def test_sequences_hold_a_sample_each():
    frames = [np.ones((steps, 1, 6, 5), np.uint8) for steps in (4, 2)]
    found = stimulus(frames, NETWORK)
    assert found.values.sum(axis=(1, 2, 3, 4)).tolist() == [120, 60]
    assert found.notes[:1] == ("1 of 2 samples have fewer than 4 steps (the shortest has 2): zeros follow",)
    assert stimulus([each[0] for each in frames], NETWORK).held
    with pytest.raises(StimulusError, match="sample 1 has 5 steps; the network runs 4 a sample: import it with"):
        stimulus([frames[0], np.ones((5, 1, 6, 5), np.uint8)], NETWORK)
    with pytest.raises(StimulusError, match=r"sample 1 has shape \(2, 6, 5\); expected \(1, 6, 5\), or \(4, 1, 6, 5\)"):
        stimulus([frames[0], np.ones((2, 6, 5), np.uint8)], NETWORK)
    with pytest.raises(StimulusError, match="some samples have one frame that is held and others several"):
        stimulus([frames[0], frames[0][0]], NETWORK)
    with pytest.raises(StimulusError, match=r"the input has shape \(0,\)"):
        stimulus([], NETWORK)


@pytest.mark.parametrize("steps", [1, 4])
def test_signals_may_come_in_their_own_shape(steps):
    """A source (C, 1, L) is what a file calls (C, L): held or step by step, in an array or in samples of their own."""
    intake = making.Intake(shape=(3, 1, 5), steps=steps, source=Source(levels=1, unit=1.0), real=False)
    timed = np.random.default_rng(0).integers(0, 2, (6, steps, 3, 5))
    plain = stimulus(timed[:, :, :, None], intake)
    for given in (timed, list(timed)):
        found = stimulus(given, intake)
        assert np.array_equal(found.values, plain.values)
        assert not found.held
    held = stimulus(timed[:, 0], intake)
    assert held.held
    assert np.array_equal(held.values, timed[:, 0, :, None])
    with pytest.raises(StimulusError, match="has shape"):
        stimulus(timed[..., :4], intake)


def test_shape_with_its_height_is_never_taken_for_a_signal():
    """One channel, as many steps as channels: the network's own shape comes first."""
    intake = making.Intake(shape=(1, 1, 1), steps=1, source=Source(levels=1, unit=1.0), real=False)
    assert stimulus(np.ones((2, 1, 1, 1), int), intake).values.shape == (2, 1, 1, 1)
    assert stimulus(np.ones((2, 1, 1, 1, 1), int), intake).values.shape == (2, 1, 1, 1, 1)
