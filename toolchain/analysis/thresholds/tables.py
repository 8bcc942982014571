"""The tables of what was measured at thresholds."""

from collections.abc import Iterator, Sequence

from spikeport.hardware_profiles.columns import table
from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.analysis.thresholds.figures import Certified, Layer, Perturbed, Robust, Rounded, Spread

KINDS = {"uniform": "random, uniform", "sign": "random, signs"}
NOTHING = "-"


def layers(deltas: Sequence[float], found: Sequence[Layer], whole: Layer, input_zeros: Mean) -> str:
    """Return what every population shows without a perturbation."""
    header = (
        "population",
        "neurons",
        "V_th",
        "spike rate",
        *(f"within {each:g} V_th" for each in deltas),
        "gradient 0",
    )
    rows = [
        (
            each.name,
            f"{each.neurons:,}",
            NOTHING if each.threshold is None else f"{each.threshold:.3g}",
            *(part.text() for part in (each.rate, *each.near, each.zeros)),
        )
        for each in (*found, whole)
    ]
    pixels = ("input", *[NOTHING] * (3 + len(deltas)), input_zeros.text())
    return table(header, [pixels, *rows])


def perturbed(found: Sequence[Perturbed], steps: int, robust: Sequence[Robust]) -> str:
    """Return the share of spikes that each perturbation flips, and the accuracy that each leaves."""
    names = list(found[0].flips) if found else []
    rows = [
        (
            title_of(each.kind, steps),
            f"{each.epsilon:g}/255",
            each.accuracy.text(1),
            each.total.text(),
            *(f"{100 * each.flips[name].value:.2f}" for name in names),
        )
        for each in found
    ]
    for each in robust:
        nothing = [NOTHING] * (1 + len(names))
        rows.append((f"worst case, {each.suite}", f"{each.epsilon:g}/255", each.accuracy.text(1), *nothing))
    return table(("perturbation", "epsilon", "accuracy", "spikes flipped", *names), rows)


def title_of(kind: str, steps: int) -> str:
    """Return the name of a perturbation for people."""
    return KINDS.get(kind, f"PGD-{steps}")


def rounded(found: Sequence[Rounded]) -> str:
    """Return the share of spikes that rounding flips."""
    names = next((list(each.flips) for each in found if each.flips), [])
    rows = [
        (
            each.name,
            each.accuracy.text(1),
            *(NOTHING if part is None else part.text(1) for part in (each.changed, each.untouched)),
            NOTHING if each.total is None else each.total.text(),
            *(f"{100 * each.flips[name].value:.2f}" if each.flips else NOTHING for name in names),
        )
        for each in found
    ]
    return table(("network", "accuracy", "class changed", "without a flip", "spikes flipped", *names), rows)


def certified(found: Sequence[Rounded]) -> str:
    """Return the changes under which no spike of an image can flip."""
    known = [(each.name, each.certified) for each in found if each.certified is not None]
    levels, first = (known[0][1].levels, known[0][1].first) if known else ((), ())
    rows = [(name, *_certified(each)) for name, each in known]
    header = (
        *("no spike can flip", "input, levels: least", "median", "most"),
        f"images >= {levels[0]:g}" if levels else "",
        *(f"{', '.join(first)}: neurons, eps {level:g}" for level in levels),
        *("weights, % of largest: least", "median", "most"),
    )
    return table(header, rows)


def _certified(each: Certified) -> Iterator[str]:
    yield from _span(each.input, 1)
    yield each.reached[0].text(1)
    yield from (share.text(1) for share in each.neurons)
    yield from _span(each.weights, 100)


def _span(spread: Spread, factor: float) -> Iterator[str]:
    for value in (spread.least, spread.median, spread.most):
        yield "any" if value is None else f"{factor * value:.3g}"


def refused(found: Sequence[Rounded]) -> Iterator[str]:
    """Return a sentence for each network without a certificate."""
    yield from (f"{each.name}: not certified: {each.refused}" for each in found if each.refused is not None)
