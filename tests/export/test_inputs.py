"""Only regular files of bounded size are read, by every reader, and never from a mapping."""

import os
import socket
import threading

import numpy as np
import pytest

from spikeport.export import archive, inputs, stimulus
from spikeport.export.errors import ArchiveError, FormatError, SpikeportError
from spikeport.export.formats import netx
from spikeport.export.lava.doctor import small_network
from spikeport.export.nir_import.graph import read as read_nir
from spikeport.hardware_profiles.profile import load_profile
from spikeport.toolchain import checkpoint
from spikeport.toolchain.recipes.reader import read_recipe

NETWORK = small_network()
READERS = {
    "nir": lambda path: read_nir(path, steps=4),
    "net": lambda path: netx.read(path, steps=4),
    "safetensors": archive.read,
    "ckpt": checkpoint.read_snn,
    "npy": lambda path: stimulus.read(path, NETWORK),
    "npz": lambda path: stimulus.read(path, NETWORK),
    "recipe.toml": read_recipe,
    "toml": lambda path: load_profile(str(path)),
}


@pytest.fixture
def places(tmp_path):
    """Return a function that makes something that is no regular file."""
    sockets = []

    def make(kind, ending):
        path = tmp_path / f"x.{ending}"
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "device":
            path.symlink_to("/dev/zero")
        else:
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].bind(str(path))
        return path

    yield make
    for each in sockets:
        each.close()


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socket"])
def test_only_regular_files_are_read(places, ending, kind):
    path = places(kind, ending)
    refusals = []

    def attempt():
        a_folder_of_samples = kind == "folder" and ending in ("npy", "npz")
        refused = "holds no file of samples; expected " if a_folder_of_samples else f"a {kind}; expected "
        with pytest.raises(SpikeportError, match=f": {refused}") as found:
            READERS[ending](path)
        refusals.append(str(found.value))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(10)
    assert len(refusals) == 1
    assert refusals[0].startswith(str(path))


@pytest.mark.parametrize("ending", ["toml", "recipe.toml"])
def test_long_text_is_refused_before_it_is_parsed(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    with path.open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(SpikeportError, match=r"10,000,000,000 bytes; at most 131,072 are read"):
        READERS[ending](path)


def test_archive_that_is_cut_while_it_is_read_is_an_error(tmp_path, monkeypatch):
    """A mapping of such a file ends the process with SIGBUS; a copy is whole or too short."""
    path = tmp_path / "network.safetensors"
    archive.write(NETWORK, path)
    fdopen = os.fdopen

    def cut_meanwhile(descriptor, mode):
        os.truncate(path, 100)
        return fdopen(descriptor, mode)

    monkeypatch.setattr(inputs.os, "fdopen", cut_meanwhile)
    with pytest.raises(ArchiveError, match="became shorter while it was read"):
        archive.read(path)


def test_archive_that_is_cut_after_it_was_read_stays_whole(tmp_path):
    path = tmp_path / "network.safetensors"
    archive.write(NETWORK, path)
    restored = archive.read(path)
    os.truncate(path, 0)
    for before, after in zip(NETWORK.projections, restored.projections, strict=True):
        assert np.array_equal(before.synapses.weight, after.synapses.weight)


def test_budget_names_what_is_too_large():
    budget = inputs.Budget(100)
    budget.take(60, "a kernel")
    with pytest.raises(FormatError, match=r"a matrix would bring .* to 110 bytes of memory; at most 100"):
        budget.take(50, "a matrix")
