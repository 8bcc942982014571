"""A recipe's table as the text of a TOML file: a line a key, inner tables inline, a block for each stage."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(table: Mapping[str, Any]) -> str:
    """Return the table as TOML; lists of tables at the top become blocks. What is None is left out."""
    blocks = {key: each for key, each in table.items() if _is_blocks(each)}
    lines = [f"{_key(key)} = {_value(each)}" for key, each in table.items() if key not in blocks and each is not None]
    for key, several in blocks.items():
        for block in several:
            lines += ["", f"[[{_key(key)}]]"]
            lines += [f"{_key(name)} = {_value(each)}" for name, each in block.items() if each is not None]
    return "\n".join(lines) + "\n"


def _is_blocks(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items() if each is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value)  # numbers and truth values


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON, and that of DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
