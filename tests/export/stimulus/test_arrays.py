import resource
import zipfile

import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import arrays, read

NETWORK = small_network()


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
    monkeypatch.setattr(arrays, "ROOM", 0)
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


def event_list(kind="<i8"):
    return np.zeros(3, [("x", "<i2"), ("y", "<i2"), ("t", kind), ("p", "?")])


def test_arrays_with_fields_are_event_lists(tmp_path):
    np.save(tmp_path / "a.npy", event_list())
    np.savez(tmp_path / "b.npz", events=event_list(), label=3)
    columns = {name: event_list()[name] for name in "xytp"}
    np.savez(tmp_path / "c.npz", **columns, labels=np.array([3]))
    np.savez(tmp_path / "d.npz", **columns)
    for name, label in (("a.npy", None), ("b.npz", 3), ("c.npz", 3), ("d.npz", None)):
        content = arrays.read(tmp_path / name)
        assert [len(each) for each in content.samples] == [3]
        assert content.labels is None if label is None else content.labels.reshape(-1).tolist() == [label]


@pytest.mark.parametrize("kind", ["O", "U3", "c16", "V8", ("<i8", (2,))])
def test_fields_that_are_no_numbers_are_refused(tmp_path, kind):
    np.save(tmp_path / "a.npy", event_list(kind), allow_pickle=True)
    with pytest.raises(StimulusError, match=r"a\.npy: the input has type .*; expected numbers"):
        arrays.read(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["images", "frames", "events", "x", "data", "inputs", "spikes", "whatever"])
@pytest.mark.parametrize("labels", ["labels", "targets", "y", "target", "label"])
def test_names_that_people_use_are_understood(tmp_path, name, labels):
    images = np.arange(60, dtype=np.uint8).reshape(2, 1, 6, 5)
    np.savez(tmp_path / "a.npz", **{name: images, labels: np.array([4, 5]), "lengths": np.array([1, 2])})
    content = arrays.read(tmp_path / "a.npz")
    assert np.array_equal(content.samples, images)
    assert content.labels.tolist() == [4, 5]
    assert content.lengths.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("a", "b"),
            "it holds a, b; expected an array 'images', 'frames', 'events' or 'x', or a single one of any name",
        ),
        (("images", "frames"), "it holds images, frames; expected"),
        (("labels",), "it holds labels; expected an array 'images'"),
        ((), "it holds nothing; expected an array 'images'"),
    ],
)
def test_arrays_that_leave_it_open_are_refused_with_their_names(tmp_path, names, message):
    np.savez(tmp_path / "a.npz", **dict.fromkeys(names, np.zeros(3)))
    with pytest.raises(StimulusError, match=rf"a\.npz: {message}"):
        arrays.read(tmp_path / "a.npz")


def test_what_is_not_needed_is_not_unpacked(tmp_path):
    path = packed(tmp_path / "more.npz", {"images.npy": npy((1, 1, 6, 5), data=bytes(30)), "other.npy": b"damaged"})
    assert arrays.read(path).samples.shape == (1, 1, 6, 5)
