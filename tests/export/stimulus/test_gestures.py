import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.network import Source
from spikeport.export.stimulus import InputSettings, Intake, read

INTAKE = Intake(shape=(2, 3, 4), steps=5, source=Source(levels=255, unit=1.0), real=False)
MS = InputSettings(bin="1ms")


def test_dvs_gestures_have_their_labels_in_the_names_of_files(tmp_path):
    rows = np.array([[1, 2, 0, 7], [3, 0, 1, 7], [3, 0, 1, 8], [0, 0, 0, 9]], np.float64)
    for name in ("user02_led/10.npy", "user02_led/3.npy", "user01_natural/10.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, rows)
    found, labels = read(tmp_path, INTAKE, settings=MS)
    assert labels.tolist() == [10, 3, 10]
    assert found.values[0, 0, 0, 2, 1] == found.values[0, 0, 1, 0, 3] == found.values[0, 1, 1, 0, 3] == 1
    assert found.values.sum() == 9
    assert found.notes[0] == "folders are read as users, names of files as labels, as in DVS Gestures"
    np.save(tmp_path / "user01_natural/10.npy", rows[:, :3])
    with pytest.raises(StimulusError, match=r"10\.npy: an array of shape \(4, 3\); expected \(events, 4\)"):
        read(tmp_path, INTAKE, settings=MS)
