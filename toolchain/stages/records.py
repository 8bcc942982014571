"""``record.json``: what a stage was given, made and measured; where it still holds, the stage is skipped."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from spikeport.export.errors import ArchiveError, one_line
from spikeport.export.files import write_text

NAME = "record.json"
CHUNK = 2**20


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a stage's folder and its SHA-256."""

    file: str
    digest: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """``done`` is False while the stage runs: what lies in its folder is then the start of this very work.

    ``settings``: the stage's table and what it uses of the recipe; ``inputs``: digests by kind; ``outputs``: files by
    kind.
    """

    name: str
    stage: str
    done: bool
    settings: dict[str, Any]
    inputs: dict[str, str]
    seed: int
    threads: int
    device: str
    versions: dict[str, str]
    started: str
    outputs: dict[str, Output] = {}
    seconds: float | None = None
    metrics: dict[str, Any] = {}


def read(folder: Path) -> Record | None:
    """Return the record of a stage's folder, None where there is none; `ArchiveError` where it is damaged."""
    path = folder / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise ArchiveError(f"{path}: damaged ({one_line(error)}); delete {folder} to run this stage again") from None


def write(record: Record, folder: Path) -> None:
    """Write the record, whole or not at all."""
    text = json.dumps(msgspec.to_builtins(record), indent=1, allow_nan=False)
    write_text(folder / NAME, text + "\n")


def digest_of_file(path: Path) -> str | None:
    """Return the SHA-256 of a file, None where it is not there."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                found.update(chunk)
    except OSError:
        return None
    return found.hexdigest()


def digest_of_values(values: Any) -> str:
    """Return the SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def seed_of(seed: int, name: str) -> int:
    """Return the seed of a stage: from the recipe's seed and the stage's name alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") >> 1


def differences(now: Mapping[str, Any], then: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the paths of the keys whose values differ."""
    found = []
    for key in [*now, *(key for key in then if key not in now)]:
        here, there = now.get(key), then.get(key)
        place = f"{path}.{key}".lstrip(".")
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            found += differences(here, there, place)
        elif here != there:
            found.append(place)
    return found
