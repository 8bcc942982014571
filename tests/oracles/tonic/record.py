"""Records what tonic makes of synthetic recordings; runs in an environment with tonic, aedat and dv-processing.

python tests/oracles/tonic/record.py tests/oracles/tonic
"""

import os
import re
import sys
from pathlib import Path

import dv_processing
import numpy as np
import tonic

SIZE = (7, 5, 2)
"""Width, height and polarities."""
WINDOWS, BINS = (1, 100, 333, 1000, 2500, 40_000), (1, 3, 8, 17)


def recording(rng, count, duration):
    """Return events with the fields and types of tonic's own; the first stands at a time that is not zero."""
    t = np.sort(rng.integers(0, duration + 1, count)) + 12_345
    t[0], t[-1] = 12_345, 12_345 + duration
    columns = (rng.integers(0, SIZE[0], count), rng.integers(0, SIZE[1], count), t, rng.integers(0, 2, count))
    return tonic.io.make_structured_array(*columns)


class Dataset:
    """A data set of our own, in the form of tonic's."""

    def __init__(self, recordings, transform=None):
        self.recordings, self.transform = recordings, transform

    def __len__(self):
        return len(self.recordings)

    def __getitem__(self, index):
        events = self.recordings[index]
        return (events if self.transform is None else self.transform(events)), index % 3


def frames_of(recordings):
    """Yield the name and the frames of every way of cutting."""
    for number, events in enumerate(recordings):
        duration = int(events["t"][-1] - events["t"][0])
        for window in WINDOWS:
            if duration // window > 5000:
                continue
            for incomplete in (False, True):
                cut = tonic.transforms.ToFrame(SIZE, time_window=window, include_incomplete=incomplete)
                yield f"{number} window {window} {int(incomplete)}", cut(events.copy())
        for bins in BINS:
            if duration >= bins:
                yield f"{number} bins {bins}", tonic.transforms.ToFrame(SIZE, n_time_bins=bins)(events.copy())


def write_aedat4(path, events):
    """Write a recording as a camera does."""
    config = dv_processing.io.MonoCameraWriter.EventOnlyConfig("camera", SIZE[:2])
    writer, store = dv_processing.io.MonoCameraWriter(str(path), config), dv_processing.EventStore()
    for event in events:
        store.push_back(int(event["t"]), int(event["x"]), int(event["y"]), bool(event["p"]))
    writer.writeEvents(store)


def convert(folder, recordings):
    """Run the five lines of docs/input.md."""
    page = Path(__file__).parents[3] / "docs" / "input.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) == 5
    cut = tonic.transforms.ToFrame(SIZE, time_window=2500)
    os.chdir(folder)
    exec(compile(example, str(page), "exec"), {"np": np, "frames": cut, "dataset": Dataset(recordings * 2)})


def main(folder):
    """Write recordings, frames, caches and a camera's file."""
    rng = np.random.default_rng(0)
    lengths = ((40, 2000), (200, 9999), (300, 10_000), (2, 16), (60, 3333), (500, 25_001), (20, 30))
    recordings = [recording(rng, *each) for each in lengths]
    np.savez_compressed(folder / "recordings.npz", **{f"r{n}": each for n, each in enumerate(recordings)})
    np.savez_compressed(folder / "frames.npz", **dict(frames_of(recordings)))
    for name, transform in (("events", None), ("frames", tonic.transforms.ToFrame(SIZE, time_window=2500))):
        data = Dataset(recordings * 2, transform)
        cached = tonic.DiskCachedDataset(data, cache_path=str(folder / f"cache_{name}"), reset_cache=True)
        for _ in map(cached.__getitem__, range(len(cached))):
            pass
    convert(folder, recordings)
    write_aedat4(folder / "camera.aedat4", recordings[1])
    read = tonic.io.read_aedat4(str(folder / "camera.aedat4"))
    np.savez_compressed(folder / "camera.npz", **{name: read[name] for name in ("x", "y", "t", "on")})


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
