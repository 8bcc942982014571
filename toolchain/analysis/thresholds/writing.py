"""Writes what was measured: thresholds.json for programs, thresholds.svg for people."""

import json
from collections.abc import Iterator
from pathlib import Path

from spikeport.export.files import locked, write_text
from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.analysis.curves import Curve, Point, curves
from spikeport.toolchain.analysis.thresholds.figures import BITS
from spikeport.toolchain.analysis.thresholds.perturbed import KINDS
from spikeport.toolchain.analysis.thresholds.result import Thresholds
from spikeport.toolchain.analysis.thresholds.tables import title_of

JSON, PICTURE = "thresholds.json", "thresholds.svg"
"""The files' names in a folder."""
MOST = 7
"""Populations that have a curve: those of which the last network flips the most spikes."""


def write(found: Thresholds, folder: Path) -> None:
    """Write both files to a folder, each whole or not at all."""
    document, drawn = json.dumps(found.to_dict(), indent=1, allow_nan=False), picture(found)
    with locked(folder):
        write_text(folder / JSON, document + "\n")
        write_text(folder / PICTURE, drawn)


def picture(found: Thresholds) -> str:
    """Return the SVG: spikes flipped by epsilon, and by each network in integers, per population and of all."""
    panels = [("spikes flipped by a perturbation", "eps, in 1/255", list(_perturbed(found)))]
    if any(each.flips for each in found.rounded):
        panels.append(("spikes flipped by rounding", "network", list(_rounded(found))))
    return curves(f"{found.model['what']}, {found.images} images", panels)


def _perturbed(found: Thresholds) -> Iterator[Curve]:
    for kind in KINDS:
        chosen = sorted((each for each in found.perturbed if each.kind == kind), key=lambda each: each.epsilon)
        points = [_point(f"{each.epsilon:g}", each.total) for each in chosen]
        yield Curve(name=title_of(kind, found.attack_steps), points=points)


def _rounded(found: Thresholds) -> Iterator[Curve]:
    networks = [each for each in found.rounded if each.flips]
    archives = [each.name for each in networks if not each.name.endswith(BITS)]
    labels = {name: f"archive {number}" for number, name in enumerate(archives, 1)}
    named = [(labels.get(each.name, each.name), each) for each in networks]
    yield Curve(name="all", points=[_point(label, each.total) for label, each in named if each.total is not None])
    most = sorted(networks[-1].flips, key=lambda name: networks[-1].flips[name].value, reverse=True)[:MOST]
    for name in (each for each in networks[0].flips if each in most):
        yield Curve(name=name, points=[_point(label, each.flips[name]) for label, each in named])


def _point(label: str, share: Mean) -> Point:
    return Point(label=label, value=100 * share.value, error=100 * share.error)
