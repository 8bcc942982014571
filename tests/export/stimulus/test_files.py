import h5py
import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.export.stimulus import InputSettings, Intake, files, read

INTAKE = Intake(shape=(2, 3, 4), steps=5, source=Source(levels=255, unit=1.0), real=False)
MS = InputSettings(bin="1ms")
KINDS = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")]


def events(number):
    """Return a recording with ``number`` events in its first bin."""
    return np.array([(1, 2, 10 * index, index % 2) for index in range(number)], KINDS)


def folder(path, names):
    for number, name in enumerate(names, 1):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(path / name, events(number))
    return path


def counts(found):
    return found.values.sum(axis=(1, 2, 3, 4)).tolist()


def test_files_of_a_folder_are_samples_in_natural_order(tmp_path):
    found, labels = read(folder(tmp_path, ["s2.npy", "s10.npy", "s1.npy", "s.npy"]), INTAKE, settings=MS)
    assert counts(found) == [3, 1, 2, 4]
    assert labels is None


def test_folders_in_a_folder_are_classes_by_name(tmp_path):
    names = ["wave/1.npy", "clap/7.npy", "wave/0.npy", "clap/10.npy"]
    (tmp_path / ".hidden").mkdir()
    found, labels = read(folder(tmp_path, names), INTAKE, settings=MS)
    assert counts(found) == [2, 4, 3, 1]
    assert labels.tolist() == [0, 0, 1, 1]
    assert found.notes[0] == "labels are the folders' numbers: clap 0, wave 1"
    (tmp_path / "empty").mkdir()
    with pytest.raises(StimulusError, match="empty: holds no file of samples; a folder without any would be a class"):
        read(tmp_path, INTAKE, settings=MS)


def test_labels_in_the_files_come_before_those_of_folders(tmp_path):
    for number, name in enumerate(("b", "a")):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "s.npz", events=events(number + 1), label=7 + number)
    found, labels = read(tmp_path, INTAKE, settings=MS)
    assert (counts(found), labels.tolist()) == ([2, 1], [8, 7])
    np.savez(tmp_path / "a" / "t.npz", events=events(1))
    with pytest.raises(StimulusError, match=r"t\.npz: holds no label, as others of the folder do"):
        read(tmp_path, INTAKE, settings=MS)


def test_frames_of_a_folder_are_held_or_step_by_step(tmp_path):
    for steps in (5, 3):
        np.save(tmp_path / f"{steps}.npy", np.full((steps, 2, 3, 4), steps, np.int16))
    found, _ = read(tmp_path, INTAKE)
    assert [each[:, 0, 0, 0].tolist() for each in found.values] == [[3, 3, 3, 0, 0], [5] * 5]
    for path in tmp_path.iterdir():
        np.save(path, np.ones((2, 3, 4), np.int16))
    assert read(tmp_path, INTAKE)[0].held


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no file of samples; expected files of one kind: .npy, .npz"),
        (["a.npy", "b/c.npy"], r"holds files of samples \(a.npy\) beside folders of them \(b\)"),
        (["a.npy", "b.npz.npy", "c.hdf5"], "holds files of .hdf5, .npy; expected files of one kind"),
    ],
)
def test_folders_that_leave_it_open_are_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(StimulusError, match=message):
        read(tmp_path, INTAKE, settings=MS)


def test_wrong_file_of_a_folder_is_named(tmp_path):
    (folder(tmp_path, ["a.npy", "b.npy"]) / "b.npy").write_bytes(b"damaged")
    with pytest.raises(StimulusError, match=r"b\.npy: not a \.npy or \.npz file"):
        read(tmp_path, INTAKE, settings=MS)


def cached(path, data, target=None, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("data/0", data=data, **options)
        if target is not None:
            file.create_dataset("target/0", data=target)
    return path


@pytest.mark.parametrize("options", [{}, {"compression": "lzf"}, {"compression": "gzip"}])
def test_hdf5_of_a_cache_holds_a_sample(tmp_path, options):
    found, labels = read(cached(tmp_path / "0_0.hdf5", events(3), 4, **options), INTAKE, settings=MS)
    assert (counts(found), labels.tolist()) == ([3], [4])
    frames = np.full((5, 2, 3, 4), 2, np.int16)
    assert np.array_equal(read(cached(tmp_path / "f.hdf5", frames, **options), INTAKE)[0].values[0], frames)


def test_hdf5_holds_named_arrays_as_npz_does(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"], file["labels"] = np.full((2, 5, 2, 3, 4), 3), [5, 6]
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["events"], file["label"] = events(3), 2
    found, labels = read(tmp_path / "a.h5", INTAKE)
    assert (found.values.max(), labels.tolist()) == (3, [5, 6])
    found, labels = read(tmp_path / "e.h5", INTAKE, settings=MS)
    assert (counts(found), labels.tolist()) == ([3], [2])


def test_hdf5_files_are_read_some_at_a_time_and_a_wrong_one_is_named(tmp_path, monkeypatch):
    for number in range(5):
        cached(tmp_path / f"{number}_0.hdf5", events(number + 1), number)
    whole = read(tmp_path, INTAKE, settings=MS)
    monkeypatch.setattr(files, "TOGETHER", 2)
    found, labels = read(tmp_path, INTAKE, settings=MS)
    assert counts(found) == counts(whole[0]) == [1, 2, 3, 4, 5]
    assert labels.tolist() == whole[1].tolist() == [0, 1, 2, 3, 4]
    with h5py.File(tmp_path / "3_0.hdf5", "a") as file:
        file["data/1"] = h5py.SoftLink("/elsewhere")
    with pytest.raises(StimulusError, match=r"3_0\.hdf5: /data/1 is a link to somewhere else"):
        read(tmp_path, INTAKE, settings=MS)


def test_columns_of_a_group_may_have_names_in_the_plural(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in "xytp":
            file[f"events/{name}s"] = events(1)[name]
    np.save(tmp_path / "a.npy", events(1))
    found, expected = (read(tmp_path / name, INTAKE, settings=MS)[0] for name in ("a.h5", "a.npy"))
    assert np.array_equal(found.values, expected.values)


def heidelberg(path, times, units, labels, kind="f2"):
    """Write recordings as SHD and SSC hold them: rows of seconds and of units, beside texts about speakers."""
    with h5py.File(path, "w") as file:
        columns = {"times": (times, kind), "units": (units, "u2")}
        for name, (rows, dtype) in columns.items():
            written = file.create_dataset(f"spikes/{name}", (len(rows),), h5py.vlen_dtype(np.dtype(dtype)))
            for number, row in enumerate(rows):
                written[number] = np.asarray(row, dtype)
        file["labels"] = np.asarray(labels, "u2")
        file["extra/keys"] = np.array([b"eins", b"zwei"])
        file["extra/speaker"] = np.zeros(len(labels), "u2")
    return path


def test_recordings_of_shd_are_samples_and_their_seconds_of_16_bits_do_not_overflow(tmp_path):
    intake = Intake(shape=(700,), steps=20, source=Source(levels=255, unit=1.0), real=False)
    times, units = [[0.0, 0.0312, 0.999], [], [0.5, 0.5005]], [[3, 3, 699], [], [0, 0]]
    path = heidelberg(tmp_path / "shd.h5", times, units, [4, 9, 0])
    found, labels = read(path, intake, settings=InputSettings(bin="50ms"))
    assert labels.tolist() == [4, 9, 0]
    places = [tuple(place.tolist()) for place in np.argwhere(found.values)]
    assert places == [(0, 0, 3), (2, 0, 0)]  # the event at 999 ms lies behind the last whole bin
    assert found.values[0, 0, 3] == found.values[2, 0, 0] == 2
    incomplete = InputSettings(bin="50ms", incomplete=True)
    assert read(path, intake, settings=incomplete)[0].values[0, 19, 699] == 1


@pytest.mark.parametrize(
    ("times", "units", "kind", "message"),
    [
        ([], [], "f2", "the input holds no samples"),
        ([[0.5]], [[700]], "f2", r"sample 0: event 0 lies at x 700"),
        ([[0.1], [0.5, 0.6]], [[1], [1]], "f2", r"shd\.h5: sample 1: the columns of the event list have shapes"),
        ([[0.1], [0.5]], [[1]], "f2", r"shd\.h5: its columns of events have rows \(times 2, units 1\); expected"),
        ([[0.1], [np.inf]], [[1], [1]], "f2", r"shd\.h5: sample 1: the events' column 'times' holds .* not finite"),
        ([[5]], [[1]], "i4", r"shd\.h5: sample 0: the events' column 'times' is .*; expected seconds as real numbers"),
    ],
)
def test_recordings_of_shd_that_do_not_fit_are_refused(tmp_path, times, units, kind, message):
    intake = Intake(shape=(700,), steps=20, source=Source(levels=255, unit=1.0), real=False)
    with pytest.raises(StimulusError, match=message):
        read(heidelberg(tmp_path / "shd.h5", times, units, [0] * len(times), kind), intake, settings=MS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data/0": events(1), "data/1": events(2)}, "'data' holds 2 pieces; expected one event list"),
        ({"a": np.zeros(3), "b": np.zeros(3)}, "it holds a, b; expected an array 'images'"),
        ({"a/c": np.zeros(3), "b/c": np.zeros(3)}, "it holds no arrays, but a, b; expected an array 'images'"),
        (
            {"data/0": np.zeros(3, [("x", "<i2"), ("t", "S3")])},
            r"/data/0, field 't', holds \|S3; expected real numbers",
        ),
    ],
)
def test_other_hdf5_files_are_refused(tmp_path, content, message):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for name, value in content.items():
            file[name] = value
    with pytest.raises(StimulusError, match=rf"a\.hdf5: {message}"):
        read(tmp_path / "a.hdf5", INTAKE, settings=MS)
