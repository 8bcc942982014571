"""Files that extras read: .pt by PyTorch, .aedat4 by aedat, both in a process of their own."""

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.export.stimulus import InputSettings, Intake, files, read

INTAKE = Intake(shape=(2, 3, 4), steps=5, source=Source(levels=255, unit=1.0), real=False)
FRAMES = torch.arange(3 * 5 * 24).reshape(3, 5, 2, 3, 4) % 17
LABELS = torch.tensor([4, 5, 6])
CAMERA = Path(__file__).parents[2] / "oracles" / "tonic" / "camera.aedat4"
without_aedat = pytest.mark.skipif(
    importlib.util.find_spec("aedat") is None, reason="aedat, the extra 'events', is not installed"
)


class Evil:
    """Makes a folder where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("held", "labels"),
    [
        (FRAMES, None),
        ((FRAMES, LABELS), [4, 5, 6]),
        ({"frames": FRAMES, "targets": LABELS}, [4, 5, 6]),
        ([(FRAMES[0], 4), (FRAMES[1], 5), (FRAMES[2], torch.tensor(6))], [4, 5, 6]),
        *(
            pytest.param(held, labels, marks=pytest.mark.slow)
            for held, labels in (
                (FRAMES.float(), None),
                (FRAMES.to(torch.bfloat16), None),
                (FRAMES.to_sparse(), None),
                (list(FRAMES), None),
                ([FRAMES, LABELS], [4, 5, 6]),
                ((FRAMES, [4, 5, 6]), [4, 5, 6]),
            )
        ),
    ],
)
def test_tensors_are_read_however_people_keep_them(tmp_path, held, labels):
    torch.save(held, tmp_path / "a.pt")
    found, read_labels = read(tmp_path / "a.pt", INTAKE)
    assert np.array_equal(found.values, FRAMES.numpy())
    assert (read_labels if read_labels is None else read_labels.tolist()) == labels


@pytest.mark.apart
def test_folder_of_tensors_holds_a_sample_a_file(tmp_path):
    for number, each in enumerate(FRAMES):
        torch.save((each, number), tmp_path / f"{number}.pt")
    found, labels = read(tmp_path, INTAKE)
    assert np.array_equal(found.values, FRAMES.numpy())
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.apart
def test_code_in_a_file_does_not_run(tmp_path):
    torch.save(Evil(tmp_path / "made"), tmp_path / "evil.pt")
    with pytest.raises(StimulusError, match=r"evil\.pt: torch.load\(weights_only=True\) refuses it"):
        read(tmp_path / "evil.pt", INTAKE)
    assert not (tmp_path / "made").exists()


@pytest.mark.apart
def test_tensors_that_unpack_to_much_are_refused_before(tmp_path):
    torch.save(
        torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (2**40,), check_invariants=True), tmp_path / "a.pt"
    )
    with pytest.raises(StimulusError, match=r"a\.pt: .*it of shape \(1099511627776,\) would bring what is made of"):
        read(tmp_path / "a.pt", INTAKE)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"a": FRAMES, "b": FRAMES}, "it holds a, b; expected an array 'images'"),
        ({"images": "text"}, "images is a str; expected a tensor"),
        ([FRAMES[0], FRAMES[0, :3]], r"its samples have shapes .*; expected one shape, or a file for each sample"),
        ((FRAMES, LABELS, LABELS, LABELS), r"it holds a tuple of 4; expected \(samples, labels\)"),
    ],
)
def test_other_contents_are_refused(tmp_path, held, message):
    torch.save(held, tmp_path / "a.pt")
    with pytest.raises(StimulusError, match=rf"a\.pt: {message}"):
        read(tmp_path / "a.pt", INTAKE)


def test_damaged_files_are_refused(tmp_path):
    torch.save(FRAMES, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(StimulusError, match=r"a\.pt: torch.load\(weights_only=True\) refuses it"):
        read(tmp_path / "a.pt", INTAKE)


@pytest.mark.parametrize(("name", "extra"), [("a.pt", "train"), ("a.aedat4", "events")])
def test_missing_extra_is_named(tmp_path, monkeypatch, name, extra):
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    with pytest.raises(StimulusError, match=rf"{name}: reading .* files needs .*: pip install 'spikeport\[{extra}\]'"):
        read(tmp_path / name, INTAKE)


@without_aedat
def test_recordings_of_cameras_are_read(tmp_path):
    wide = Intake(shape=(2, 5, 7), steps=9, source=INTAKE.source, real=False)
    for name in ("left/0.aedat4", "right/0.aedat4"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(CAMERA, tmp_path / name)
    found, labels = read(tmp_path, wide, settings=InputSettings(bin="1ms"))
    alone, _ = read(CAMERA, wide, settings=InputSettings(bin="1ms"))
    assert np.array_equal(found.values, np.concatenate([alone.values] * 2))
    assert labels.tolist() == [0, 1]


@without_aedat
@pytest.mark.parametrize("cut", [0, 10, 100, 1500, 2400])
def test_damaged_recordings_are_refused(tmp_path, cut):
    (tmp_path / "a.aedat4").write_bytes(CAMERA.read_bytes()[:cut])
    with pytest.raises(StimulusError, match=r"a\.aedat4: (damaged|its stream of events is empty|it holds no stream)"):
        read(tmp_path / "a.aedat4", INTAKE, settings=InputSettings(bin="1ms"))
