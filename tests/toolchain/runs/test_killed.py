"""A run that is killed at any moment, and started again, ends with the bytes of an unbroken one."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import spikeport
from spikeport.toolchain.stages import records

FILES = ("*.safetensors", "*.npz", "*.nir", "*.onnx")


def start(recipe, folder, *options, **variables):
    command = [sys.executable, "-m", "spikeport.toolchain.cli", "run", str(recipe), "--out", str(folder), *options]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**os.environ, **variables}, start_new_session=True, **pipes)


def killed(process, after):
    """Kill a process by SIGKILL after so many seconds; return whether it was still there."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def assert_equal_runs(found, expected):
    """Compare every artefact's bytes, and everything in the records but times."""
    for name in sorted(path.parent.name for path in found.glob("*/record.json")):
        ours, theirs = records.read(found / name), records.read(expected / name)
        assert ours.done
        for key in ("settings", "inputs", "outputs", "seed", "metrics"):
            if (name, key) != ("report", "outputs"):  # the report has a date
                assert getattr(ours, key) == getattr(theirs, key), (name, key)
    for pattern in FILES:
        for path in found.rglob(pattern):
            if "epochs" not in path.parts:
                assert path.read_bytes() == (expected / path.relative_to(found)).read_bytes(), path


def wait_for(process, path, seconds=120):
    """Wait until a file is there, while the process runs."""
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "the run ended before"
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_run_killed_inside_a_stage_goes_on_to_the_same_bytes(recipe, tiny_run, tmp_path):
    process = start(recipe, tmp_path, "--to", "hydra")
    wait_for(process, tmp_path / "dense" / "record.json")
    assert killed(process, 0)
    assert records.read(tmp_path / "dense").done is False
    assert spikeport.run(recipe, tmp_path, to="hydra").ran == ("dense", "hydra")
    assert_equal_runs(tmp_path, tiny_run)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_at_random_moments_ends_as_an_unbroken_one(recipe, tiny_run, tmp_path, seed):
    """Each start may run a little longer than the one before, so that the run ends some day."""
    moments, kills = random.Random(seed), 0
    while killed(start(recipe, tmp_path), moments.uniform(1.5, 6 + kills)):
        kills += 1
    assert kills
    assert_equal_runs(tmp_path, tiny_run)
    assert not [path for path in tmp_path.rglob(".spikeport-*") if path.is_file()]


@pytest.mark.slow
def test_one_core_gives_the_bytes_of_two(recipe, tiny_run, tmp_path):
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(core), sys.executable, "-m", "spikeport.toolchain.cli", "run", str(recipe)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_equal_runs(tmp_path, tiny_run)
