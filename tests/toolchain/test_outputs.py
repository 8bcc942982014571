"""What the command writes: full disks, devices and two runs at once end in a sentence, nothing stays half-written."""

import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from spikeport.export import archive
from spikeport.export.formats import netx, nir
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Dense, IntegerNetwork, IntegerNeuron, IntegerPopulation, IntegerProjection, Source
from spikeport.export.stimulus import random_stimulus
from spikeport.toolchain import cli

COMMAND = [sys.executable, "-m", "spikeport.toolchain.cli"]
NETWORK = small_network()


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    returncode: object
    stderr: str


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that runs the command here."""

    def run(*arguments, **variables):
        monkeypatch.setattr(sys, "argv", ["spikeport", *map(str, arguments)])
        monkeypatch.setattr(tempfile, "tempdir", variables.get("TMPDIR"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as left:
            cli.main()
        return Done(returncode=left.value.code, stderr=capsys.readouterr().err)

    return run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network as archive, NIR and netx, one that takes spikes, and images for the first."""
    folder = tmp_path_factory.mktemp("files")
    spikes = tuple(replace(p, neuron=Source(levels=1)) if p is NETWORK.source else p for p in NETWORK.populations)
    archive.write(replace(NETWORK, populations=spikes, bounds={}), folder / "spikes.safetensors")
    archive.write(NETWORK, folder / "network.safetensors")
    nir.write(NETWORK, folder / "network.nir")
    netx.write(NETWORK, folder / "network.net")
    np.save(folder / "images.npy", random_stimulus(NETWORK, 250, 0).values)
    return folder


@contextmanager
def small_disk(folder, size):
    """A disk of so many bytes."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no permission to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def full_disk(tmp_path):
    """A disk with one file that fills it to the last page."""
    with small_disk(tmp_path / "disk", 16384) as folder:
        with (folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))
        yield folder


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A network whose weights take 90 kB as integers and more as real numbers."""
    folder = tmp_path_factory.mktemp("large")
    weight = np.random.default_rng(0).integers(-9, 9, (300, 300)).astype(np.int8)
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(300,), neuron=Source(levels=1)),
            IntegerPopulation(name="a", shape=(300,), neuron=IntegerNeuron(threshold=5, bias_mantissa=0)),
        ),
        projections=(IntegerProjection(source="input", target="a", synapses=Dense(weight=weight)),),
        steps=2,
    )
    archive.write(network, folder / "network.safetensors")
    nir.write(network, folder / "network.nir")
    netx.write(network, folder / "network.net")
    return folder


WRITING = {
    "nir": "export {archive} --to nir --out {out}",
    "nir-portable": "export {archive} --to nir-portable --out {out}",
    "onnx": "export {archive} --to onnx --out {out}",
    "netx": "export {archive} --to netx --out {out}",
    "lava-job": "export {archive} --to lava-job --out {out}",
    "loihi1": "export {spikes} --to loihi1 --out {out}",
    "classes": "simulate {archive} --input {images} --out {out}",
    "report": "report {archive} --input {images} --out {out}",
    "junit": "check {archive} --executors onnx --random 1 --junit {out}",
    "json": "check {archive} --executors onnx --random 1 --json {out}",
    "archive of NIR": "import {nir} --out {out}",
    "archive of netx": "quantize {net} --steps 4 --levels 255 --out {out}",
}


def arguments(name, files, out):
    names = {"archive": files / "network.safetensors", "nir": files / "network.nir", "net": files / "network.net"}
    names["spikes"] = files / "spikes.safetensors"
    return WRITING[name].format(**names, images=files / "images.npy", out=out).split()


@pytest.mark.parametrize("name", WRITING)
def test_full_disk_is_one_sentence_and_nothing_stays(call, name, files, full_disk):
    before = sorted(full_disk.rglob("*"))
    done = call(*arguments(name, files, full_disk / "out"))
    assert done.returncode == 2, done
    assert f"no space left in {full_disk}" in done.stderr
    assert "bytes are free; free some or write elsewhere" in done.stderr
    assert done.stderr.startswith("spikeport: ")
    assert done.stderr.count("\n") == 1
    assert sorted(full_disk.rglob("*")) == before


TEMPORARY = {
    "import {files}/network.nir --out {out}": "network.nir was read, but the temporary folder {disk} does not take",
    "import {files}/network.net --steps 4 --out {out}": "network.net was read, but the temporary folder {disk}",
    "check {files}/network.safetensors --executors nir --random 1 --json {out}": "no space left in {disk}",
    "export {files}/network.safetensors --to nir --out /dev/null": "no space left in {disk}",
}


@pytest.mark.apart
@pytest.mark.parametrize("verb", TEMPORARY)
def test_full_temporary_folder_is_named_and_the_file_is_not_called_damaged(call, verb, large, tmp_path):
    with small_disk(tmp_path / "disk", 16384) as disk:
        done = call(*verb.format(files=large, out=tmp_path / "out").split(), TMPDIR=str(disk))
        assert done.returncode == 2, done
        assert TEMPORARY[verb].format(disk=disk) in done.stderr
        assert "damaged" not in done.stderr
        assert done.stderr.count("\n") == 1
        assert list(disk.iterdir()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [name for name in WRITING if name not in ("lava-job", "report")])
def test_devices_stay_and_get_the_bytes(call, name, files):
    done = call(*arguments(name, files, "/dev/null"))
    assert (done.returncode, "spikeport:" in done.stderr) == (0, False)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    done = call(*arguments(name, files, "/dev/full"))
    assert (done.returncode, done.stderr) == (2, "spikeport: /dev/full: no space left\n")
    assert sorted(path.name for path in Path("/dev").glob("*.parts")) == []


@pytest.mark.parametrize("name", ["lava-job", "report"])
def test_folder_onto_a_device_is_refused(call, name, files):
    done = call(*arguments(name, files, "/dev/null"))
    assert done.returncode == 2
    assert done.stderr.startswith("spikeport: /dev/null")
    assert done.stderr.count("\n") == 1
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_place_is_looked_at_before_a_long_run(call, files, tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "other").hardlink_to(tmp_path / "file")
    done = call(*arguments("classes", files, tmp_path / "file"))
    assert done.returncode == 2
    assert "file has 2 names (hard links)" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "other"]


@pytest.mark.slow  # two programs that load PyTorch
def test_one_of_two_runs_into_one_folder_is_refused(recipe, tmp_path):
    """While one runs, the other names it; the lock goes with the first, here at a signal."""
    command = [*COMMAND, "run", recipe, "--out", tmp_path / "run", "--to", "hydra"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, **pipes)
    lock, end = tmp_path / ".run.lock", time.time() + 60
    while not (lock.exists() and lock.read_text()) and time.time() < end:
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    second = subprocess.run(command, check=False, timeout=120, **pipes)
    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGCONT)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 143, err
    assert second.returncode == 2
    assert second.stderr.endswith(
        f"run: another run (process {first.pid}) writes there; wait until it ends, or write elsewhere\n"
    )
    assert not lock.exists()


SIMULATE = """
import sys
from pathlib import Path
from spikeport.export import archive, simulation
from spikeport.export.stimulus import read
network = archive.read(Path(sys.argv[1]))
simulation.PART = 1
found = simulation.simulate(network, read(Path(sys.argv[2]), network)[0], executor="reference", kept=Path(sys.argv[3]))
found.discard()
"""


def test_three_simulations_with_one_out_give_one_result_and_two_refusals_or_more_results(files, tmp_path):
    """Whoever comes while another writes parts is refused; nobody fails in another way, and no part stays."""
    paths = [files / "network.safetensors", files / "images.npy", tmp_path / "parts"]
    running = [
        subprocess.Popen([sys.executable, "-c", SIMULATE, *map(str, paths)], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in running]
    assert any(code == 0 for _, code in ends)
    for err, code in ends:
        assert code == 0 or "another run (process" in err, err
    assert list(tmp_path.iterdir()) == []
