"""What an examination for masked gradients, which lies beside a network or an attack, says of its figures."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spikeport.export.errors import ArchiveError

if TYPE_CHECKING:
    from spikeport.toolchain.analysis.result import Obfuscation
    from spikeport.toolchain.robustness.assessed import Assessment
    from spikeport.toolchain.verbs.attack_settings import AttackSettings


def advice(model: object, images: object, folder: Path | None, settings: "AttackSettings") -> str:
    """Return the command that examines the float network of an attack; what has no file stands in capitals."""
    words = [model if isinstance(model, str | Path) else "MODEL", "--input"]
    words += [images if isinstance(images, str | Path) else "IMAGES", "--out", folder or "FOLDER"]
    for name in ("mean", "std"):
        given = getattr(settings, name)
        numbers = given if isinstance(given, tuple) else () if given is None else (given,)
        words += [f"--{name}", ",".join(map(str, numbers))] * bool(numbers)
    return f"`spikeport analyze obfuscation {shlex.join(map(str, words))}` does so"


def read_beside(*places: object) -> "dict[Path, Obfuscation | str]":
    """Return the examinations in folders, and in those of files; of one that cannot be read what is wrong with it."""
    from spikeport.toolchain.analysis.result import read
    from spikeport.toolchain.analysis.writing import JSON

    found: dict[Path, Obfuscation | str] = {}
    for place in places:
        if not isinstance(place, str | Path):
            continue
        path = (Path(place).parent if Path(place).is_file() else Path(place)) / JSON
        if path.is_file():
            try:
                found[path] = read(path)
            except ArchiveError as error:
                found[path] = str(error)
    return found


def with_examined(done: "Assessment", found: "dict[Path, Obfuscation | str]", how: str) -> "Assessment":
    """Return an assessment that says which checks fail, or, where none were made of what it follows, ``how`` to."""
    from spikeport.toolchain.robustness.assessed import BLACK

    if all(row.way == BLACK for each in done.epsilons for row in each.rows):
        return done
    doubts = tuple(sentence for each in found.values() if not isinstance(each, str) for sentence in each.doubts)
    return replace(done, doubts=(*done.doubts, *doubts), notes=(*done.notes, *_notes(found, how)))


def _notes(found: "dict[Path, Obfuscation | str]", how: str) -> Iterator[str]:
    for path, each in found.items():
        if isinstance(each, str):
            yield f"the examination for masked gradients could not be read: {each}"
        else:
            yield f"{path}: {each.attack}, eps {each.epsilon:g}/255: {each.summary()}"
    if not found:
        yield f"not examined for masked gradients, which make such figures too high: {how}"
