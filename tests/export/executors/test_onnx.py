"""onnxruntime leaves nothing behind."""

import os
import subprocess
import sys

PROGRAM = """
from spikeport.export.executors import onnx
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import stimulus
import numpy as np
network = small_network()
images = stimulus(np.zeros((2, *network.source.shape), np.uint8), network)
assert sum(1 for _ in onnx.steps(network, images)) == network.steps
"""


def test_telemetry_leaves_no_files_in_temporary_and_home_folder(tmp_path):
    folders = {"TMPDIR": tmp_path / "temporary", "HOME": tmp_path / "home"}
    for folder in folders.values():
        folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = {**kept, **{name: str(folder) for name, folder in folders.items()}}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment, cwd=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
