"""Batch norm of snnTorch and SpikingJelly, folded: their own outputs stay, and their NIR files give the same spikes.

``nir/folded.zip`` was recorded by ``nir/record_folded.py``: the spikes are those of the networks before folding.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.oracles.nir_matrix import compare_files, meta_of

pytestmark = pytest.mark.oracle
RECORDINGS = Path(__file__).parent / "nir" / "folded.zip"
with zipfile.ZipFile(RECORDINGS) as _file:
    NAMES = sorted(name.removesuffix(".nir") for name in _file.namelist() if name.endswith(".nir"))


@pytest.mark.parametrize("name", NAMES)
def test_the_exported_file_gives_the_spikes_of_the_network_with_batch_norm(name, tmp_path):
    with zipfile.ZipFile(RECORDINGS) as file:
        path, recorded = (Path(file.extract(f"{name}.{end}", tmp_path)) for end in ("nir", "npz"))
    meta = meta_of(recorded)
    assert meta["folded"] == {"bn1": "conv1", "bn2": "fc2"}
    assert meta["changed"] == 0  # in the framework's own simulation
    outcome = compare_files(path, recorded)
    assert outcome.error == ""
    assert (outcome.different, outcome.compared) == (0, 15 * 4 * (4 * 6 * 6 + 10))


def test_both_frameworks_are_there():
    assert {name.split("_")[0] for name in NAMES} == {"snntorch", "spikingjelly"}
    assert len(NAMES) >= 11


@pytest.mark.parametrize(("framework", "count"), [("snntorch", 1), ("spikingjelly", 3)])
def test_outputs_stay_where_loops_and_containers_run_the_layers(framework, count):
    with zipfile.ZipFile(RECORDINGS) as file, np.load(io.BytesIO(file.read(f"{framework}_outputs.npz"))) as arrays:
        assert len(arrays["folded"]) == count
        assert np.ptp(arrays["before"]) > 1
        np.testing.assert_allclose(arrays["after"], arrays["before"], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(arrays["single"], arrays["before"], rtol=1e-4, atol=1e-5)
