"""Saved programs give what their modules give; nothing in them is unpickled, and damaged ones are named."""

import contextlib
import io
import json
import os
import pickle
import zipfile

import pytest
import torch

import spikeport
from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.exported_program import from_exported
from tests.toolchain.importing.user_networks import ARCHITECTURES, module

QUICK = ("lenet", "normalized", "weight norm")


def saved(path, name, **settings):
    found, example = module(name)
    program = torch.export.export(found, (example,), strict=False, **settings)
    torch.export.save(program, path)
    return found, example


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES]
)
def test_a_file_gives_what_its_module_gives(name, tmp_path):
    expected = spikeport.from_torch(*saved(tmp_path / "net.pt2", name))
    found = from_exported(tmp_path / "net.pt2")
    assert found.specification == expected.specification
    assert found.notes == expected.notes
    state = expected.model.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in found.model.state_dict().items())


def test_a_batch_of_any_size_is_read(tmp_path):
    found, example = saved(tmp_path / "net.pt2", "option a", dynamic_shapes=({0: torch.export.Dim("batch")},))
    expected = spikeport.from_torch(found, example)
    assert from_exported(tmp_path / "net.pt2").specification == expected.specification


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def changed(path, change):
    """Write an archive again, with other files."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def test_no_pickle_is_loaded(tmp_path):
    saved(tmp_path / "net.pt2", "mlp")
    trap = pickle.dumps(Trap(tmp_path / "ran"))
    changed(tmp_path / "net.pt2", lambda files: files.update({"net/data/sample_inputs/model.pt": trap}))
    from_exported(tmp_path / "net.pt2")
    assert not (tmp_path / "ran").exists()
    with contextlib.suppress(Exception):
        torch.export.load(tmp_path / "net.pt2")
    assert (tmp_path / "ran").exists(), "PyTorch's own loader unpickles it; with one that does not, use it"


def config(files, change):
    name = "net/data/weights/model_weights_config.json"
    table = json.loads(files[name])
    change(table["config"])
    files[name] = json.dumps(table).encode()


def entry(**values):
    return lambda files: config(files, lambda table: next(iter(table.values())).update(values))


def meta(**values):
    return lambda files: config(files, lambda table: next(iter(table.values()))["tensor_meta"].update(values))


DAMAGE = {
    "pickled": (entry(use_pickle=True), "0.weight is pickled, and no pickle is loaded"),
    "far away": (meta(storage_offset={"as_int": 10**9}), "0.weight .* lies outside of its 320 values"),
    "backwards": (meta(strides=[{"as_int": -20}, {"as_int": 1}]), "lies outside"),
    "huge": (meta(sizes=[{"as_int": 10**9}, {"as_int": 10**9}]), "lies outside"),
    "text": (meta(dtype=99), "has type number 99"),
    "no weights": (lambda files: files.pop("net/data/weights/weight_0"), "damaged"),
    "no program": (lambda files: files.pop("net/models/model.json"), "holds 0 programs"),
    "no JSON": (lambda files: files.update({"net/models/model.json": b"{"}), "damaged"),
    "other order": (lambda files: files.update({"net/byteorder": b"big"}), "not little endian"),
    "before 2.9": (lambda files: files.update({"net/serialized_state_dict.pt": b""}), "PyTorch before 2.9"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_named(name, tmp_path):
    change, message = DAMAGE[name]
    saved(tmp_path / "net.pt2", "mlp")
    changed(tmp_path / "net.pt2", change)
    with pytest.raises(FormatError, match=rf"net\.pt2: .*{message}"):
        from_exported(tmp_path / "net.pt2")


def test_files_of_other_kinds_are_named(tmp_path):
    path = tmp_path / "net.pt2"
    with pytest.raises(FormatError, match=r"net\.pt2: no such file; expected a \.pt2 file"):
        from_exported(path)
    path.write_bytes(b"text")
    with pytest.raises(FormatError, match=r"net\.pt2: damaged, or no file that torch.export.save wrote"):
        from_exported(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w"):
        pass
    path.write_bytes(buffer.getvalue())
    with pytest.raises(FormatError, match=r"net\.pt2: damaged"):
        from_exported(path)


def test_compressed_files_are_refused_before_they_grow(tmp_path):
    saved(tmp_path / "net.pt2", "mlp")
    with zipfile.ZipFile(tmp_path / "net.pt2", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/models/other.json", b" " * 10**6)
    with pytest.raises(FormatError, match="holds 2 programs"):
        from_exported(tmp_path / "net.pt2")
    changed(tmp_path / "net.pt2", lambda files: files.pop("net/models/other.json"))
    with zipfile.ZipFile(tmp_path / "net.pt2") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "net.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(FormatError, match="is compressed"):
        from_exported(tmp_path / "net.pt2")
