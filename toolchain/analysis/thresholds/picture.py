"""The picture of what was measured at thresholds: spikes that perturbations and rounding flip."""

from collections.abc import Iterator, Sequence

from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.analysis.curves import Curve, Point, curves
from spikeport.toolchain.analysis.thresholds.figures import BITS, Perturbed, Rounded
from spikeport.toolchain.analysis.thresholds.perturbed import KINDS
from spikeport.toolchain.analysis.thresholds.tables import title_of

MOST = 7
"""Populations that have a curve: those of which the last network flips the most spikes."""


def picture(title: str, perturbed: Sequence[Perturbed], attack_steps: int, rounded: Sequence[Rounded]) -> str:
    """Return the SVG: spikes flipped by epsilon, and by each network in integers, per population and of all."""
    panels = [("spikes flipped by a perturbation", "eps, in 1/255", list(_perturbed(perturbed, attack_steps)))]
    if any(each.flips for each in rounded):
        panels.append(("spikes flipped by rounding", "network", list(_rounded(rounded))))
    return curves(title, panels)


def _perturbed(found: Sequence[Perturbed], attack_steps: int) -> Iterator[Curve]:
    for kind in KINDS:
        chosen = sorted((each for each in found if each.kind == kind), key=lambda each: each.epsilon)
        points = [_point(f"{each.epsilon:g}", each.total) for each in chosen]
        yield Curve(name=title_of(kind, attack_steps), points=points)


def _rounded(found: Sequence[Rounded]) -> Iterator[Curve]:
    networks = [each for each in found if each.flips]
    archives = [each.name for each in networks if not each.name.endswith(BITS)]
    labels = {name: f"archive {number}" for number, name in enumerate(archives, 1)}
    named = [(labels.get(each.name, each.name), each) for each in networks]
    yield Curve(name="all", points=[_point(label, each.total) for label, each in named if each.total is not None])
    most = sorted(networks[-1].flips, key=lambda name: networks[-1].flips[name].value, reverse=True)[:MOST]
    for name in (each for each in networks[0].flips if each in most):
        yield Curve(name=name, points=[_point(label, each.flips[name]) for label, each in named])


def _point(label: str, share: Mean) -> Point:
    return Point(label=label, value=100 * share.value, error=100 * share.error)
