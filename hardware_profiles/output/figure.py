"""A picture for a paper: an SVG that stands alone, in light colours and with fonts that every program has."""

import re
from dataclasses import dataclass

FONTS = "Helvetica, Arial, sans-serif"
DARK = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
"""A block of rules for another medium: the dark colours, or a printed page."""
VARIABLE = re.compile(r"(--[\w-]+)\s*:\s*([^;}]+)")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure as the text of an ``svg``: ``name`` is that of its files, ``title`` says what it shows."""

    name: str
    title: str
    svg: str


def figure(name: str, title: str, svg: str) -> Figure:
    """Return a picture as it goes into a paper: what depends on the viewer's colours is written out for light ones.

    Programs that turn SVG into PDF know neither variables nor media.
    """
    plain = DARK.sub("", svg)
    values = {variable: value.strip() for variable, value in VARIABLE.findall(plain)}
    plain = re.sub(r"var\((--[\w-]+)\)", lambda found: values[found[1]], VARIABLE.sub("", plain))
    plain = re.sub(r"system-ui(, sans-serif)?", FONTS, plain).replace("color-scheme: light dark;", "")
    return Figure(name=name, title=title, svg=plain)
