"""What the constants in a figure rest on, and the marks that say so.

``*``: a constant is assumed, or we read it as something that its source does not say. ``~``: it is of another chip.
"""

from collections.abc import Iterable, Mapping

from spikeport.hardware_profiles.profile import ByTiles, Constant

AnyConstant = Constant | ByTiles
LEGEND = "* with a constant that is assumed, or that we read as its source does not say; ~ with one of another chip"


def assumed(constants: Mapping[str, AnyConstant]) -> tuple[str, ...]:
    """Return the keys of the constants that are assumed, or that we read as something their source does not say."""
    return tuple(key for key, each in constants.items() if each.evidence == "assumed" or each.reading is not None)


def scaled(constants: Mapping[str, AnyConstant]) -> tuple[str, ...]:
    """Return the keys of the constants that were carried over from another chip."""
    return tuple(key for key, each in constants.items() if each.evidence == "scaled")


def not_minimum(constants: Mapping[str, AnyConstant]) -> dict[str, str]:
    """Return what each constant is that is no published minimum: its evidence, and what its source calls it."""
    return {key: said(each) for key, each in constants.items() if not _is_minimum(each)}


def said(constant: AnyConstant) -> str:
    """Return the evidence of a constant, what its source calls it, and whether we read it as more than that."""
    called = "" if constant.stated_as is None else f", {constant.stated_as}"
    reading = "" if constant.reading is None else ", our reading"
    return f"{constant.evidence}{called}{reading}"


def mark(assumed: Iterable[str], scaled: Iterable[str]) -> str:
    """Return the marks of a figure with these constants."""
    return ("*" if list(assumed) else "") + ("~" if list(scaled) else "")


def marked(assumed: Iterable[str], scaled: Iterable[str]) -> str:
    """Return the constants behind the marks, each once with its own marks."""
    both = list(dict.fromkeys((*assumed, *scaled)))
    return ", ".join(f"{key}{'*' * (key in assumed)}{'~' * (key in scaled)}" for key in both)


def _is_minimum(constant: AnyConstant) -> bool:
    return constant.evidence == "published" and constant.stated_as == "minimum" and constant.reading is None
