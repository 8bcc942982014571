"""What all pictures share: where their templates lie, their colours (style.svg.j2), and round numbers for an axis."""

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spikeport.hardware_profiles.columns import percent

STEPS = (1, 2, 5, 10)


def templates(folder: Path) -> Environment:
    """Return where templates of pictures lie: in ``folder``, and here what they include."""
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["amount"] = amount
    return environment


def amount(value: float) -> str:
    """Return a number with three digits, or all in front of the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def round_step(most: float, ticks: int) -> float:
    """Return 1, 2 or 5 times a power of ten, of which ``ticks`` reach ``most``; 1 / ticks where that is not above 0."""
    rough = most / ticks if most > 0 else 1 / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in STEPS if factor * power >= rough * (1 - 1e-9))
