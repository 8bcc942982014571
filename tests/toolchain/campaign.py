"""Damaged files of every format that is read: what a seed makes of a valid file, and what became of reading it.

Half of the damage is blind (bits, pieces, length); half knows the format and puts values, shapes, names and kinds in
places where nobody expects them.
"""

import gzip
import io
import json
import os
import re
import resource
import tarfile
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from spikeport.export import archive, stimulus
from spikeport.export.errors import SpikeportError
from spikeport.hardware_profiles.profile import PROFILE_DIR, load_profile
from spikeport.toolchain import checkpoint
from spikeport.toolchain.data import idx
from spikeport.toolchain.data.cifar10 import Cifar10
from spikeport.toolchain.data.npz import Npz
from spikeport.toolchain.data.tiny_imagenet import TinyImageNet
from spikeport.toolchain.recipes.reader import RECIPE_DIR, read_recipe
from spikeport.toolchain.verbs.networks import ImportSettings, import_network
from tests.toolchain.data import made

ARCHIVES = Path(__file__).parents[1] / "export" / "archives"
SECONDS, WAITING, BYTES = 10, 60, 2**30
"""What reading one damaged file may take: computing time, time of the clock on a busy machine, memory."""
NUMBERS = (
    *(0, 1, -1, 2, 3, 255, 2**16, 10**6, 10**9, 10**18, 2**31, 2**62, 2**63, 2**64, -(2**63), 10**30, 10**5000),
    *(0.5, 1e-320, 1e-30, 1e30, 1e308, float("nan"), float("inf"), -float("inf")),
)
TEXTS = ("", "x", "a\x1b[31mb", "a\nb", "a\u202eb", "x" * 100_000, "__class__", "../../etc/passwd", "nan", "1")


@dataclass(frozen=True)
class Kind:
    """A valid file, its ending, how to read it, and the damage that knows its format."""

    data: bytes
    ending: str
    read: Callable[[Path, Path], object]
    change: Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Result:
    """What became of one file."""

    seed: int
    kind: str
    outcome: str
    seconds: float
    waited: float
    bytes: int
    message: str

    @property
    def bad(self) -> bool:
        """Whether it broke a promise."""
        return self.outcome == "traceback" or self.seconds > SECONDS or self.waited > WAITING or self.bytes > BYTES


def kinds(run: Path, net: Path, nir: Path) -> dict[str, Kind]:
    """Return every kind of file, made of a finished run, a .net file and a NIR file."""
    network = archive.read_integer(run / "quantize/network.safetensors")
    images = io.BytesIO()
    np.save(images, np.zeros((2, *network.source.shape), np.uint8))

    def imported(path: Path, out: Path) -> object:
        return import_network(path, settings=ImportSettings(steps=4, guess=path.suffix == ".nir"), out=out)

    def seen(path: Path, _: Path) -> object:
        return stimulus.read(path, network)

    def loaded(path: Path, _: Path) -> object:
        return archive.read(path)

    def trained(path: Path, _: Path) -> object:
        return checkpoint.read_snn(path)

    sources = {
        "nir": (nir, imported, hdf5_changed),
        "our nir": (run / "export/network.nir", imported, hdf5_changed),
        "net": (net, imported, hdf5_changed),
        "archive": (run / "quantize/network.safetensors", loaded, tensors_changed),
        "float archive": (ARCHIVES / "float_1.safetensors", loaded, tensors_changed),
        "checkpoint": (run / "finetune/model.safetensors", trained, tensors_changed),
        "npz": (run / "export/held_out.npz", seen, npz_changed),
        "recipe": (RECIPE_DIR / "digits.toml", lambda path, _: read_recipe(path), toml_changed),
        "profile": (PROFILE_DIR / "loihi1.toml", lambda path, _: load_profile(str(path)), toml_changed),
    }
    every = {name: Kind(path.read_bytes(), path.suffix, read, change) for name, (path, read, change) in sources.items()}
    return every | {"npy": Kind(images.getvalue(), ".npy", seen, npy_changed)} | datasets()


def datasets() -> dict[str, Kind]:
    """Return every kind of file that a source of training data reads."""
    images, labels = made.random_images(40)
    arrays = io.BytesIO()
    np.savez(arrays, images=images.transpose(0, 2, 3, 1), labels=labels)
    values = made.idx(images[:, 0])

    def cifar(path: Path, _: Path) -> object:
        return Cifar10(path=str(path), official=False).load(0)

    def own(path: Path, _: Path) -> object:
        return Npz(path=str(path), test=0.2).load(0)

    def tiny(path: Path, _: Path) -> object:
        return TinyImageNet(path=str(path), official=False).load(0)

    def array(path: Path, _: Path) -> object:
        return idx.read(path)

    def packed(path: Path, _: Path) -> object:
        made.write(path.parent, {path.name.replace("train", "test"): jpegs})
        return Cifar10(path=str(path), official=False).load(0)

    jpegs = made.packed_jpeg(images, labels)
    return {
        "cifar binary": Kind(made.tar(made.binary_files(images, labels)), ".tar.gz", cifar, tar_changed),
        "cifar python": Kind(made.tar(made.python_files(images, labels)), ".tar.gz", cifar, tar_changed),
        "packed jpeg": Kind(jpegs, "_train.npz", packed, npz_changed),
        "own images": Kind(arrays.getvalue(), ".npz", own, npz_changed),
        "tiny imagenet": Kind(made.zipped(made.tiny_files()), ".zip", tiny, zip_changed),
        "idx": Kind(values, "", array, blind),
        "packed idx": Kind(gzip.compress(values), ".gz", array, gzip_changed),
    }


def attempt(every: dict[str, Kind], seed: int, folder: Path) -> Result:
    """Damage one file as ``seed`` says, read it, and say what became of it."""
    rng = np.random.default_rng(seed)
    name = list(every)[seed % len(every)]
    kind = every[name]
    path = folder / f"damaged{kind.ending}"
    path.write_bytes(damaged(kind, rng))
    _forget_peak()
    before, computed, start = _peak(), _computed(), time.monotonic()
    try:
        kind.read(path, folder / "out.safetensors")
        outcome, message = "read", ""
    except SpikeportError as error:
        outcome, message = "refused", str(error)
        if str(path) not in message or not message.isprintable() or len(message) > 1000:
            outcome = "traceback"
    except Exception:  # noqa: BLE001 - each one is a finding
        outcome, message = "traceback", traceback.format_exc()
    waited, memory = time.monotonic() - start, max(_peak() - before, _children())
    return Result(seed, name, outcome, _computed() - computed, waited, memory, message)


def damaged(kind: Kind, rng: np.random.Generator) -> bytes:
    """Return the bytes of a valid file, damaged."""
    data = kind.data
    if rng.random() < 0.5:
        data = kind.change(data, rng)
        if rng.random() < 0.9:
            return data
    return blind(data, rng)


def blind(data: bytes, rng: np.random.Generator) -> bytes:
    """Change bytes near each other or anywhere, flip bits, cut, double, drop or overwrite a piece."""
    content = np.frombuffer(data, np.uint8).copy()
    start = int(rng.integers(0, len(content)))
    reach = int(rng.choice([16, 256, len(content)]))
    places = np.minimum(start + rng.integers(0, reach, rng.integers(1, 30)), len(content) - 1)
    stop = start + int(rng.integers(1, 200))
    how = rng.integers(0, 7)
    if how == 0:
        return data[:start]
    if how == 1:
        return data[:stop] + data[start:stop] + data[stop:]
    if how == 2:
        return data[:start] + data[stop:]
    if how == 3:
        content[start:stop] = rng.choice([0, 255])
    elif how == 4:
        content[places[0]] ^= 1 << int(rng.integers(0, 8))
    else:
        content[places] = rng.integers(0, 256, len(places))
    return content.tobytes()


def hdf5_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace, drop, rename or empty arrays and groups."""
    memory = io.BytesIO(data)
    with h5py.File(memory, "a") as file:
        places: list[str] = []
        file.visit(places.append)
        for _ in range(int(rng.integers(1, 3))):
            place = places[int(rng.integers(0, len(places)))]
            if place in file:
                _change_place(file, place, rng)
    return memory.getvalue()


def _change_place(file: h5py.File, place: str, rng: np.random.Generator) -> None:
    how, parent = rng.integers(0, 6), file[place].parent
    if how == 0:
        file.move(place, f"{place}{_text(rng)[:500]}x")
        return
    if how == 1:
        parent[f"{place.rsplit('/', 1)[-1]}x"] = _value(rng)
        return
    old = file[place][()] if isinstance(file[place], h5py.Dataset) else None
    del file[place]
    if how == 2:
        return
    if how == 3 or old is None:
        large = tuple(int(side) for side in rng.choice([1, 3, 1000, 10**5, 10**7], rng.integers(1, 4)))
        chunks = tuple(min(side, 10) for side in large)
        file.create_dataset(place, large, rng.choice(["i1", "f8"]), chunks=chunks, compression="gzip")
    elif how == 4 and isinstance(old, np.ndarray) and old.dtype.kind in "iuf" and old.size:
        array = old.astype(np.float64)
        array.flat[int(rng.integers(0, array.size))] = float(_number(rng))
        file[place] = array if rng.random() < 0.5 else array.reshape(-1)[: int(rng.integers(0, array.size + 1))]
    else:
        file[place] = _value(rng)


def _value(rng: np.random.Generator) -> object:
    number = _number(rng)
    shapes = [(), (1,), (2,), (2, 3), (0,), (1, 1, 1, 1)]
    shape = shapes[int(rng.integers(0, len(shapes)))]
    if rng.random() < 0.3:
        return _text(rng)[:1000]
    if rng.random() < 0.1:
        return np.full(shape, rng.random() < 0.5)
    if isinstance(number, int) and -(2**63) <= number < 2**63 and rng.random() < 0.5:
        return np.full(shape, number, np.int64)
    return np.full(shape, float(number))


def _number(rng: np.random.Generator) -> float:
    number = NUMBERS[int(rng.integers(0, len(NUMBERS)))]
    return number if isinstance(number, float) or number < 10**300 else float("inf")


def _text(rng: np.random.Generator) -> str:
    return TEXTS[int(rng.integers(0, len(TEXTS)))]


def tensors_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Change the header or, more often, the JSON document inside it."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if rng.random() < 0.2:
        text = _json_changed(header, rng)
    else:
        metadata = header["__metadata__"]
        metadata["spikeport"] = _json_changed(json.loads(metadata["spikeport"]), rng)
        text = json.dumps(header)
    return len(text.encode()).to_bytes(8, "little") + text.encode() + data[8 + size :]


def _json_changed(document: object, rng: np.random.Generator) -> str:
    """Put another value in a random place of a document, rename or double a key, or nest it."""
    places: list[tuple[dict | list, str | int]] = []

    def visit(node: object) -> None:
        entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in entries:
            places.append((node, key))
            visit(value)

    visit(document)
    parent, key = places[int(rng.integers(0, len(places)))]
    how = rng.integers(0, 8)
    if how == 0 and isinstance(parent, dict):
        parent[f"{key}x"] = parent.pop(key)
    elif how == 1:
        del parent[key]
    elif how == 2:
        parent[key] = [parent[key]]
    elif how == 3:
        value, depth = parent[key], int(rng.choice([50, 100_000]))
        parent[key] = "@"
        nested = "[" * depth + json.dumps(value) + "]" * depth
        return json.dumps(document).replace('"@"', nested)
    elif how == 4 and isinstance(parent, dict):
        doubled = json.dumps({key: parent[key]})[1:-1]
        return json.dumps(document).replace(doubled, f"{doubled}, {doubled}")
    else:
        choices = [*NUMBERS[:-8], *NUMBERS[-7:], *TEXTS, None, True, False, [], {}, [1, 2], {"array": "x"}]
        parent[key] = choices[int(rng.integers(0, len(choices)))]
        if parent[key] == 10**5000:
            parent[key] = "@"
            return json.dumps(document).replace('"@"', "9" * 5000)
    return json.dumps(document)


def npy_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Put other shapes and types into the header."""
    end = data.index(b"\n") + 1
    shape = tuple(int(side) for side in rng.choice([0, 1, 2, 10, 10**6, 2**40, 2**62], rng.integers(0, 5)))
    kind = rng.choice(["|u1", "<f8", "<f2", "|O", "|S5", "<c16", "|b1", "<M8[s]", "<i8", "[('a', '<f8')]"])
    text = f"{{'descr': {kind if kind.startswith('[') else repr(str(kind))}, 'fortran_order': False, 'shape': {shape}}}"
    header = text.encode().ljust(end - 11) + b"\n"
    version = bytes([int(rng.choice([1, 1, 1, 2, 3, 9])), 0])
    length = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return data[:6] + version + length + header + data[end:]


def npz_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Rename, drop, swap, pack otherwise or blow up members."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    name = list(members)[int(rng.integers(0, len(members)))]
    how = rng.integers(0, 6)
    method = zipfile.ZIP_DEFLATED
    if how == 0:
        members[f"{_text(rng)[:500]}.npy"] = members.pop(name)
    elif how == 1:
        members[name] = npy_changed(members[name], rng)
    elif how == 2:
        members[name] = blind(members[name], rng)
    elif how == 3:
        members[name] += bytes(int(rng.choice([10, 10**8])))
    elif how == 4:
        method = int(rng.choice([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED]))
    else:
        zeros = io.BytesIO()
        np.save(zeros, np.zeros((int(rng.choice([1, 10**4, 3 * 10**6])), 1, 8, 8), np.uint8))
        members[name] = zeros.getvalue()
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method, compresslevel=1) as target:
        for each, content in members.items():
            target.writestr(each, content)
    return memory.getvalue()


def tar_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage, drop, double, rename, enlarge or link a member, or put other values into its header."""
    plain = gzip.decompress(data)
    if rng.random() < 0.3:
        return gzip.compress(blind(plain, rng), 1)
    with tarfile.open(fileobj=io.BytesIO(plain)) as source:
        members = [(info, source.extractfile(info).read()) for info in source.getmembers() if info.isreg()]
    info, content = members[int(rng.integers(0, len(members)))]
    how = rng.integers(0, 5)
    if how == 0:
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    elif how == 1:
        info.name = _text(rng)[:200] + "x"
    elif how == 2:
        members.append((info, blind(content, rng)))
    changed = (
        blind(content, rng) if how == 3 else content + bytes(int(rng.choice([10, 10**8]))) if how == 4 else content
    )
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz", compresslevel=1) as target:
        for each, held in members:
            written = changed if held is content else held
            each.size = 0 if each.issym() else len(written)
            target.addfile(each, io.BytesIO(written))
    return memory.getvalue()


def zip_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage, drop, rename, enlarge or pack otherwise a member."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    name = list(members)[int(rng.integers(0, len(members)))]
    how, content = rng.integers(0, 5), members.pop(name)
    if how == 0:
        members[f"{_text(rng)[:500]}x"] = content
    elif how > 1:
        members[name] = blind(content, rng) if how < 4 else content + bytes(int(rng.choice([10, 10**8])))
    memory = io.BytesIO()
    with zipfile.ZipFile(
        memory, "w", int(rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]))
    ) as target:
        for each, held in members.items():
            target.writestr(each, held)
    return memory.getvalue()


def gzip_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage what is packed, or append what unpacks to much."""
    plain = gzip.decompress(data)
    return gzip.compress(blind(plain, rng) if rng.random() < 0.8 else plain + bytes(10**8), 1)


def toml_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """Put other values behind keys, rename keys and tables, nest, or double a line."""
    text = data.decode()
    values = list(re.finditer(r"(?<== )[^\n,}]+", text))
    keys = list(re.finditer(r"\b[a-z_]+(?= =)|(?<=\[)[a-z_]+(?=\])", text))
    how = rng.integers(0, 5)
    if how == 0:
        place = keys[int(rng.integers(0, len(keys)))]
        name = json.dumps(_text(rng)[:1000]) if rng.random() < 0.5 else f"{place[0]}x"
        return (text[: place.start()] + name + text[place.end() :]).encode()
    if how == 1:
        lines = text.splitlines()
        lines.insert(int(rng.integers(0, len(lines))), lines[int(rng.integers(0, len(lines)))])
        return "\n".join(lines).encode()
    place = values[int(rng.integers(0, len(values)))]
    numbers = [str(each).replace("inf", "inf") for each in NUMBERS if not isinstance(each, int) or each < 10**300]
    depth = int(rng.choice([10, 60_000]))
    nested = (
        "[" * depth + "]" * depth,
        "{a=" * depth + "1" + "}" * depth,
        "9" * 5000,
        "1979-05-27",
        "true",
        "[]",
        "{}",
    )
    choices = [*numbers, *(json.dumps(each) for each in TEXTS), *nested]
    value = choices[int(rng.integers(0, len(choices)))]
    if how == 2:
        return (f"[{'.'.join('a' * depth)}]\n" + text).encode()
    return (text[: place.start()] + value + text[place.end() :]).encode()


def _forget_peak() -> None:
    """Let the kernel measure this process's largest memory anew (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024


def _computed() -> float:
    """Return the computing time of this process and of its children that ended."""
    return sum(os.times()[:4])


def _children() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
