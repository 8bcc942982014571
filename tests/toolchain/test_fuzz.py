"""Valid files of every kind that we read, damaged at random: one of our errors that names the file, or a result."""

import resource
import time
from dataclasses import dataclass

import numpy as np
import pytest

import spikeport
from spikeport.export import archive, hdf5, stimulus
from spikeport.export.errors import SpikeportError
from spikeport.hardware_profiles.profile import PROFILE_DIR, load_profile
from spikeport.toolchain import checkpoint
from spikeport.toolchain.config import RECIPE_DIR, read_recipe
from spikeport.toolchain.verbs.networks import import_network
from tests.export.formats.test_netx import chain

GROWTH = 2 * 2**30
"""Bytes by which reading damaged files may raise the largest memory ever used: what archives may ask for, with room."""


@dataclass
class Kind:
    """A valid file and what reads it."""

    data: bytes
    ending: str
    read: object


@pytest.fixture
def kinds(tiny_run, tmp_path, monkeypatch):
    """Return every kind of file by name."""
    monkeypatch.setattr(hdf5, "SECONDS", 10)  # damage can keep the HDF5 library busy for ever
    out, network = tmp_path / "out.safetensors", archive.read_integer(tiny_run / "network.safetensors")
    archive.write(chain(), tmp_path / "chain.safetensors")
    spikeport.export_network(tmp_path / "chain.safetensors", tmp_path / "chain.net", to="netx")
    np.save(tmp_path / "images.npy", np.zeros((2, *network.source.shape), np.uint8))

    steps = spikeport.ImportSettings(steps=4)

    def kind(path, read):
        return Kind(path.read_bytes(), path.suffix, read)

    return {
        "nir": kind(tiny_run / "network.nir", lambda path: import_network(path, settings=steps, out=out)),
        "net": kind(tmp_path / "chain.net", lambda path: import_network(path, settings=steps, out=out)),
        "archive": kind(tiny_run / "network.safetensors", archive.read),
        "checkpoint": kind(tiny_run / "snn.safetensors", checkpoint.read_snn),
        "npz": kind(tiny_run / "held_out.npz", lambda path: stimulus.read(path, network)),
        "npy": kind(tmp_path / "images.npy", lambda path: stimulus.read(path, network)),
        "recipe": kind(RECIPE_DIR / "digits.toml", read_recipe),
        "profile": kind(PROFILE_DIR / "loihi1.toml", lambda path: load_profile(str(path))),
    }


def damaged(data, rng):
    """Change up to thirty bytes near each other or anywhere, cut, double or drop a piece."""
    content = np.frombuffer(data, np.uint8).copy()
    start = int(rng.integers(0, len(content)))
    reach = int(rng.choice([16, 256, len(content)]))
    places = np.minimum(start + rng.integers(0, reach, rng.integers(1, 30)), len(content) - 1)
    content[places] = rng.integers(0, 256, len(places))
    piece = slice(start, start + int(rng.integers(1, 200)))
    how, content = rng.integers(0, 10), content.tobytes()
    if how == 0:
        return content[:start]
    if how == 1:
        return content[: piece.stop] + content[piece] + content[piece.stop :]
    return content[: piece.start] + content[piece.stop :] if how == 2 else content


def attempt(kind, path, rng):
    """Read one damaged file; return whether it was refused."""
    path.write_bytes(damaged(kind.data, rng))
    try:
        kind.read(path)
    except SpikeportError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        return True
    return False


def check(kinds, path, rng, go_on):
    refused, before = dict.fromkeys(kinds, 0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0
    while go_on(count):
        for name, kind in kinds.items():
            refused[name] += attempt(kind, path.with_suffix(kind.ending), rng)
        count += 1
    assert all(refused.values()), refused
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GROWTH
    return count


def test_random_damage_gives_an_error_or_a_result(kinds, tmp_path):
    check(kinds, tmp_path / "damaged", np.random.default_rng(1), lambda count: count < 12)


@pytest.mark.slow
def test_ten_minutes_of_random_damage(kinds, tmp_path):
    end = time.monotonic() + 600
    count = check(kinds, tmp_path / "damaged", np.random.default_rng(0), lambda _: time.monotonic() < end)
    assert count > 50
