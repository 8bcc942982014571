import resource
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import spikeport.export.stimulus as stimulus_module
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


def npy(shape, kind="|u1", data=b"", version=1):
    """Return a .npy file whose header says what no data need to follow."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2 if version == 1 else 4, "little") + header + data


FILES = {
    "huge header": (npy((2**40, 1, 6, 5)), r"its header says .* bytes; the file holds fewer: it is cut off"),
    "beyond 64 bit": (npy((2**62, 2**62)), "the file holds fewer"),
    "cut": (npy((2, 1, 6, 5), data=bytes(59)), "the file holds fewer"),
    "objects": (npy((1,), "|O", b"\x80\x04N."), "type object; expected numbers"),
    "complex": (npy((1, 1, 6, 5), "<c16", bytes(480)), "type complex128; expected numbers"),
    "version 3": (npy((1,), version=3), r"version \(3, 0\) of the .npy format, which holds tables"),
    "version 9": (npy((1,), version=9), r"version \(9, 0\)"),
    "pickle": (b"\x80\x04N.", "not a .npy or .npz file without pickles"),
    "empty": (b"", "not a .npy or .npz file"),
}


@pytest.mark.parametrize("name", FILES)
def test_header_is_checked_before_anything_is_read(tmp_path, name):
    data, message = FILES[name]
    path = tmp_path / "images.npy"
    path.write_bytes(data)
    with pytest.raises(StimulusError, match=rf"images\.npy: .*{message}"):
        read(path, NETWORK)


def packed(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def test_member_that_unpacks_to_much_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr(stimulus_module, "ROOM", 0)
    path = packed(tmp_path / "bomb.npz", {"images.npy": npy((10**6, 1, 6, 5), data=bytes(30 * 10**6))})
    assert path.stat().st_size < 3 * 10**5
    with pytest.raises(StimulusError, match=r"bomb\.npz: an array of shape .* would bring .* bytes of memory; at most"):
        read(path, NETWORK)


def test_member_that_says_more_than_it_holds_is_refused_before(tmp_path):
    path = packed(tmp_path / "short.npz", {"images.npy": npy((10**8, 1, 6, 5), data=bytes(10**6))})
    with pytest.raises(StimulusError, match=r"short\.npz: its header says .* the file holds fewer"):
        read(path, NETWORK)


def test_member_unpacks_no_more_than_the_directory_says(tmp_path):
    """The header fits to the size that the directory says; the packed data go on for a gigabyte."""
    content = npy((16 * 10**4, 1, 6, 5), data=bytes(48 * 10**5))
    path = packed(tmp_path / "lie.npz", {"images.npy": content + bytes(10**8)})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = len(content).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StimulusError, match=r"lie\.npz: damaged \(Bad CRC-32"):
        read(path, NETWORK)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 5 * 10**7


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing_than_numpys_is_refused(tmp_path, method):
    path = packed(tmp_path / "odd.npz", {"images.npy": npy((1, 1, 6, 5), data=bytes(30))}, method)
    with pytest.raises(StimulusError, match=r"odd\.npz: member 'images\.npy' is packed in a way that numpy does not"):
        read(path, NETWORK)


def test_member_names_are_escaped(tmp_path):
    path = packed(tmp_path / "names.npz", {"a\x1b[31m\n.npy": b"", "b" * 5000: b""})
    with pytest.raises(StimulusError, match=r"expected an array 'images'") as found:
        read(path, NETWORK)
    assert str(found.value).isprintable()
    assert len(str(found.value)) <= 1000


def test_real_images_are_encoded_in_parts_as_in_whole(monkeypatch):
    images = np.random.default_rng(0).random((7, 1, 6, 5))
    whole = stimulus(images, NETWORK).values
    monkeypatch.setattr(stimulus_module, "AT_ONCE", 60)
    assert np.array_equal(stimulus(images, NETWORK).values, whole)
    assert whole.dtype == np.uint8


@pytest.mark.parametrize(("samples", "seed"), [(10**18, 0), (10**8, 0), (0, 0), (1.5, 0), (True, 0), (1, 2**64)])
def test_number_of_random_samples_is_bounded(samples, seed):
    with pytest.raises(StimulusError, match=r"(number of random samples|seed) is .*; expected one whole number from"):
        random_stimulus(NETWORK, samples, seed)


def test_memory_of_random_samples_is_bounded(monkeypatch):
    monkeypatch.setattr(stimulus_module, "LARGEST_IMAGES", 1000)
    with pytest.raises(StimulusError, match=r"100 random samples of shape \(1, 6, 5\) take more than 1,000 bytes"):
        random_stimulus(NETWORK, 100, 0)
