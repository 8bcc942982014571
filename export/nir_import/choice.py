"""The rules that `identify` found for a NIR file, in a small file beside it: MODEL.dialect.toml for MODEL.nir.

It names the digest of the NIR file, so that it is never applied to another one.
"""

import hashlib
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import tomllib

from spikeport.export.errors import FormatError, one_line
from spikeport.export.files import write_bytes
from spikeport.export.inputs import LARGEST_FILE, LARGEST_TEXT, read_bytes
from spikeport.export.nir_import.dialect import DIALECTS, Dialect

NONE = "none"
"""What stands for a rule that is not set: TOML has no null."""


def beside(model: Path) -> Path:
    """Return the path of the file that holds the rules of ``model``."""
    return model.with_suffix(".dialect.toml")


def write(model: Path, dialect: Dialect, *, evidence: str) -> Path:
    """Write the rules of ``model`` beside it; ``evidence`` says in one line what they rest on."""
    values = {key: value for key, value in asdict(dialect).items() if key not in ("notes", "kinds")}
    lines = [
        f"# {_plain(dialect.sentence())}",
        f'model = "sha256:{_digest(model)}"',
        f"evidence = {_text(evidence)}",
        "",
        "[dialect]",
        *(f"{key} = {_value(value)}" for key, value in values.items()),
    ]
    path = beside(model)
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    return path


def read(model: Path) -> Dialect | None:
    """Return the rules that stand beside ``model``, None where none do; `FormatError` where they are another file's."""
    path = beside(model)
    if not path.exists():
        return None
    try:
        table = tomllib.loads(read_bytes(path, FormatError, most=LARGEST_TEXT).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(
            f"{path}: not a TOML file ({one_line(error)}); delete it, or run 'spikeport identify'"
        ) from None
    if table.get("model") != f"sha256:{_digest(model)}":
        raise FormatError(
            f"{path}: holds the rules of another file than {model}; delete it, run 'spikeport identify' again, or give "
            "a dialect"
        )
    return replace(_dialect(path, table.get("dialect")), notes=(f"rules from {path}: {table.get('evidence', '')}",))


def _dialect(path: Path, table: Any) -> Dialect:
    known = {each.name for each in fields(Dialect)} - {"notes", "kinds"}
    if not isinstance(table, dict) or set(table) - known or table.get("name") not in DIALECTS:
        raise FormatError(f"{path}: [dialect] is not as 'spikeport identify' writes it; delete it, or run that again")
    values: dict[str, Any] = {key: None if value == NONE and key != "reset" else value for key, value in table.items()}
    try:
        return Dialect(**values)
    except (FormatError, TypeError) as error:
        raise FormatError(f"{path}: {one_line(error)}") from None


def _digest(model: Path) -> str:
    return hashlib.sha256(read_bytes(model, FormatError, most=LARGEST_FILE)).hexdigest()


def _value(value: Any) -> str:
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else _text(value)


def _text(value: str) -> str:
    return f'"{_plain(value)}"'


def _plain(value: str) -> str:
    return "".join(each for each in value if each.isprintable() and each not in '"\\')
