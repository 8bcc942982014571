"""Recordings of event cameras, cut into frames of counts: what `spikeport.export.stimulus` reads."""

from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from spikeport.export.errors import DataError, SpikeportError
from spikeport.export.network import Array, Source
from spikeport.export.stimulus import files
from spikeport.export.stimulus.content import Content
from spikeport.export.stimulus.definition import LARGEST_IMAGES, Intake
from spikeport.export.stimulus.events import Events, framed
from spikeport.export.stimulus.settings import InputSettings
from spikeport.toolchain.data.checks import number_of_classes, whole_labels
from spikeport.toolchain.data.dataset import DataSource, Found, Labels, Split
from spikeport.toolchain.data.reading.layout import largest_count, unit_frames
from spikeport.toolchain.data.reading.places import existing
from spikeport.toolchain.data.splitting import test_rows

Side = Annotated[int, Meta(ge=1, le=4096)]


class EventFrames(DataSource, frozen=True, kw_only=True, tag="events"):
    """Event lists as frames (T, C, H, W), of which frame t is the network's input in step t.

    ``path``: a file of recordings, or a folder with a file for each, whose label stands in it or is the number of its
    folder (docs/input.md has the forms). Recordings to test on come from ``test_path``, or are the share ``test``.
    ``sensor``: (2, H, W) for both polarities, (1, H, W) for their sum. ``frames``: T; each recording is parted into T
    equal bins, or into bins of the length ``bin`` ('10ms'), of which a shorter recording leaves the last ones empty.
    ``levels``: the count that becomes 1, as does every larger one; without it the largest of the training data.
    ``classes``: number of classes, where not every label from 0 is among the training recordings.
    """

    path: str
    test_path: str | None = None
    test: Annotated[float, Meta(gt=0, lt=1)] | None = None
    sensor: tuple[Annotated[int, Meta(ge=1, le=2)], Side, Side]
    frames: Annotated[int, Meta(ge=1, le=100_000)]
    bin: str | None = None
    levels: Annotated[int, Meta(ge=1, le=2**24 - 1)] | None = None
    classes: Annotated[int, Meta(ge=2, le=1_000_000)] | None = None

    def found(self) -> Found:
        """Return the frames of all recordings."""
        if (self.test_path is None) == (self.test is None):
            raise DataError("expected one of data.test_path and data.test (a share, for instance 0.2)")
        path = existing(self.path, "a file or folder of recordings")
        counts, labels = self._counts(path)
        if self.test is not None:
            kept, held = test_rows(labels, self.test)
            other = counts[held], labels[held]
            counts, labels = counts[kept], labels[kept]
        else:
            other = self._counts(existing(str(self.test_path), "a file or folder of recordings"))
        levels = self.levels or largest_count(counts, "the array of frames")
        return Found(
            name=path.stem,
            place=str(path),
            classes=self.classes or number_of_classes(labels),
            train=Split(images=unit_frames(counts, levels), labels=labels),
            test=Split(images=unit_frames(other[0], levels), labels=other[1]),
            levels=levels,
        )

    def _counts(self, path: Path) -> tuple[Array, Labels]:
        """Return counts (N, T, C, H, W) and labels of the recordings at ``path``."""
        content = files.read(path)
        try:
            if content.labels is None:
                raise DataError("holds no labels; expected one per recording, or a folder for each class")
            return self._framed(content), whole_labels(np.atleast_1d(content.labels), "the labels")
        except SpikeportError as error:
            raise DataError(f"{path}: {error}") from None

    def _framed(self, content: Content) -> Array:
        if isinstance(content.samples, np.ndarray):
            raise DataError(
                'holds arrays; expected lists of events: frames that are already cut are read by kind "npz"'
            )
        intake = Intake(shape=self.sensor, steps=self.frames, source=Source(levels=1), real=True)
        settings = InputSettings(bin=self.bin, frames=None if self.bin else self.frames)
        shape = (len(content.samples), self.frames, *self.sensor)
        if 4 * int(np.prod(shape, dtype=np.float64)) > LARGEST_IMAGES:
            raise DataError(f"frames of shape {shape} do not fit in memory")
        counts = np.zeros(shape, np.int32)
        for number, recording in enumerate(content.samples):
            if not isinstance(recording, Events):
                raise DataError(f"sample {number} is an array; expected a list of events")
            self._check(recording, number, settings.microseconds())
            found = framed(recording, intake, settings, number).counts
            counts[number, : len(found)] = found
        return counts

    def _check(self, recording: Events, number: int, width: int | None) -> None:
        """Refuse events outside of the sensor, and recordings of more bins than there are frames."""
        sides = 1 + int(recording.x.max(initial=0)), 1 + (0 if recording.y is None else int(recording.y.max(initial=0)))
        _, rows, columns = self.sensor
        if sides[0] > columns or sides[1] > rows:
            raise DataError(
                f"sample {number} has events up to x {sides[0] - 1}, y {sides[1] - 1}; data.sensor is "
                f"{list(self.sensor)} (polarities, height, width): set it to the camera's, or crop the events"
            )
        if width and recording.duration // width > self.frames:
            raise DataError(
                f"sample {number} lasts {recording.duration:,} us, {recording.duration // width:,} bins of {width:,} "
                f"us; data.frames is {self.frames}: raise it, or set data.bin to a longer time"
            )
