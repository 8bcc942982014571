"""Rules of a dialect as texts NAME=VALUE, as the command takes them."""

from collections.abc import Iterable
from typing import Any

from spikeport.export.errors import FormatError

WORDS: dict[str, Any] = {"true": True, "false": False}


def by_name(texts: Iterable[str]) -> dict[str, Any]:
    """Return the rules by name: true and false are truth values, numbers are numbers, the rest are words."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise FormatError(f"rule {text!r}: expected NAME=VALUE, as in inclusive=true")
        found[name.strip().replace("-", "_")] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    try:
        return float(text)
    except ValueError:
        return text
