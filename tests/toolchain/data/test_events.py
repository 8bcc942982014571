"""Recordings of event cameras as frames."""

import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.data.events import EventFrames
from tests.toolchain.data import made


def source(path, **settings):
    return EventFrames(path=str(path), sensor=(2, 5, 6), frames=4, validation=0.0, **({"test": 0.2} | settings))


def frames_by_hand(path, bins):
    """Count the events of a file, one at a time."""
    events = np.load(path)
    counts = np.zeros((bins, 2, 5, 6), int)
    start, width = events["t"].min(), (events["t"].max() - events["t"].min()) // bins
    for x, y, t, p in zip(events["x"], events["y"], events["t"], events["p"], strict=True):
        if (t - start) // width < bins:
            counts[(t - start) // width, p, y, x] += 1
    return counts


def test_frames_hold_the_counts_of_the_events(tmp_path):
    folder = made.recordings(tmp_path / "events")
    data = source(folder).load(0)
    expected = {frames_by_hand(path, 4).tobytes() for path in folder.rglob("*.npz")}
    for split in (data.train, data.test):
        counts = np.rint(split.images * data.levels).astype(int)
        assert {each.tobytes() for each in counts} <= expected
    assert (data.frames, data.shape, data.classes, data.train.images.dtype) == (4, (2, 5, 6), 2, np.float32)
    assert np.rint(data.train.images.max() * data.levels) == data.levels


def test_a_count_above_the_level_becomes_one(tmp_path):
    folder = made.recordings(tmp_path / "events")
    every, binary = source(folder).load(0), source(folder, levels=1).load(0)
    assert np.array_equal(binary.train.images, every.train.images > 0)
    assert (every.levels > 1, binary.levels) == (True, 1)


def test_bins_of_a_length_leave_the_rest_of_a_short_recording_empty(tmp_path):
    folder = made.recordings(tmp_path / "events")
    data = source(folder, bin="3ms").load(0)
    assert data.train.images[:, 3].max() == 0 < data.train.images[:, 2].max()
    with pytest.raises(DataError, match=r"bins of 1,000 us; data\.frames is 4: raise it"):
        source(folder, bin="1ms").load(0)


def test_recordings_to_test_on_may_lie_elsewhere(tmp_path):
    train, test = made.recordings(tmp_path / "a"), made.recordings(tmp_path / "b", each=2)
    data = source(train, test=None, test_path=str(test)).load(0)
    assert (len(data.train), len(data.test)) == (10, 4)


def unlabelled(folder):
    (folder / "files").mkdir()
    for path in (folder / "events" / "class0").iterdir():
        path.rename(folder / "files" / path.name)
    return folder / "files"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"test": None}, "expected one of data.test_path and data.test"),
        ({"test_path": "x"}, "expected one of data.test_path and data.test"),
        ({"sensor": (2, 4, 6)}, r"up to x 5, y 4; data.sensor is \[2, 4, 6\]"),
        ({"sensor": (2, 5, 3)}, r"up to x 5, y 4; data.sensor is \[2, 5, 3\]"),
        ({"bin": "3 hours"}, "the length of a bin is '3 hours'"),
        ({"frames": 100_000}, "too short for 100000 bins"),
        ({"sensor": (2, 4096, 4096), "frames": 10_000}, "do not fit in memory"),
        ({"classes": 2, "test": 0.9}, "training images|no training"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, settings, words):
    folder = made.recordings(tmp_path / "events", each=5)
    arguments = {"path": str(folder), "sensor": (2, 5, 6), "frames": 4, "test": 0.2, **settings}
    with pytest.raises(DataError, match=words):
        EventFrames(**arguments).load(0)


def test_recordings_without_labels_and_arrays_are_refused(tmp_path):
    made.recordings(tmp_path / "events")
    with pytest.raises(
        DataError, match="files: holds no labels; expected one per recording, or a folder for each class"
    ):
        source(unlabelled(tmp_path)).load(0)
    np.savez(tmp_path / "frames.npz", images=np.zeros((4, 4, 2, 5, 6), np.uint8), labels=np.arange(4) % 2)
    with pytest.raises(DataError, match='frames that are already cut are read by kind "npz"'):
        source(tmp_path / "frames.npz").load(0)
