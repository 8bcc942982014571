from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Source
from spikeport.export.stimulus import random_stimulus, read, stimulus

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
        (np.zeros((0, 1, 6, 5), np.uint8), "shape \\(0, 1, 6, 5\\)"),
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
