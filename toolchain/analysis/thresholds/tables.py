"""The tables of what was measured at thresholds."""

from collections.abc import Iterator, Sequence

from spikeport.hardware_profiles.output.table import Cell, Column, Table, of, percent, words
from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.analysis.thresholds.figures import Certified, Layer, Perturbed, Robust, Rounded, Spread

KINDS = {"uniform": "random, uniform", "sign": "random, signs"}
NOTHING = "-"


def layers(deltas: Sequence[float], found: Sequence[Layer], whole: Layer, input_zeros: Mean) -> Table:
    """Return what every population shows without a perturbation."""
    near = [_share(f"within {each:g} V_th") for each in deltas]
    rows: list[tuple[Cell, ...]] = [
        (
            each.name,
            each.neurons,
            NOTHING if each.threshold is None else each.threshold,
            *map(of, (each.rate, *each.near, each.zeros)),
        )
        for each in (*found, whole)
    ]
    return Table(
        name="layers",
        title="Spikes, potentials near thresholds, and gradients that are 0, by population",
        columns=[
            *(words("population"), Column(title="neurons"), Column(title="V_th", form=".3g")),
            *(_share("spike rate"), *near, _share("gradient 0")),
        ],
        rows=[("input", *[NOTHING] * (3 + len(deltas)), of(input_zeros)), *rows],
    )


def perturbed(found: Sequence[Perturbed], steps: int, robust: Sequence[Robust]) -> Table:
    """Return the share of spikes that each perturbation flips, and the accuracy that each leaves."""
    names = list(found[0].flips) if found else []
    rows: list[tuple[Cell, ...]] = [
        (
            title_of(each.kind, steps),
            f"{each.epsilon:g}/255",
            of(each.accuracy),
            of(each.total),
            *(each.flips[name].value for name in names),
        )
        for each in found
    ]
    for each in robust:
        nothing = [NOTHING] * (1 + len(names))
        rows.append((f"worst case, {each.suite}", f"{each.epsilon:g}/255", of(each.accuracy), *nothing))
    return Table(
        name="perturbed",
        title="Spikes that perturbations of the input flip, and the accuracy that is left",
        columns=[
            *(words("perturbation"), Column(title="epsilon"), _share("accuracy", 1)),
            *(_share(title) for title in ("spikes flipped", *names)),
        ],
        rows=rows,
    )


def _share(title: str, digits: int = 2) -> Column:
    return percent(title, digits, bare=True)


def title_of(kind: str, steps: int) -> str:
    """Return the name of a perturbation for people."""
    return KINDS.get(kind, f"PGD-{steps}")


def rounded(found: Sequence[Rounded]) -> Table:
    """Return the share of spikes that rounding flips."""
    names = next((list(each.flips) for each in found if each.flips), [])
    return Table(
        name="rounded",
        title="Spikes that rounding flips, and images whose class it changes",
        columns=[
            *(words("network"), *(_share(title, 1) for title in ("accuracy", "class changed", "without a flip"))),
            *(_share(title) for title in ("spikes flipped", *names)),
        ],
        rows=[
            (
                each.name,
                of(each.accuracy),
                *(NOTHING if part is None else of(part) for part in (each.changed, each.untouched, each.total)),
                *(each.flips[name].value if each.flips else NOTHING for name in names),
            )
            for each in found
        ],
    )


def certified(found: Sequence[Rounded]) -> Table:
    """Return the changes under which no spike of an image can flip."""
    known = [(each.name, each.certified) for each in found if each.certified is not None]
    levels, first = (known[0][1].levels, known[0][1].first) if known else ((), ())
    reached = f"images, eps {levels[0]:g}/255" if levels else ""
    return Table(
        name="certified",
        title="Changes of input and weights below which no spike can flip, and shares that are safe within epsilon",
        columns=[
            words("network"),
            *(Column(title=title, form=".3g") for title in ("input, levels: least image", "median", "most")),
            *(
                _share(title, 1)
                for title in (reached, *(f"{', '.join(first)}: neurons, eps {n:g}/255" for n in levels))
            ),
            *(
                Column(title=title, factor=100, form=".3g")
                for title in ("weights, % of largest: least image", "median", "most")
            ),
        ],
        rows=[(name, *_certified(each)) for name, each in known],
    )


def _certified(each: Certified) -> Iterator[Cell]:
    yield from _span(each.input)
    yield of(each.reached[0])
    yield from map(of, each.neurons)
    yield from _span(each.weights)


def _span(spread: Spread) -> Iterator[Cell]:
    for value in (spread.least, spread.median, spread.most):
        yield "any" if value is None else value


def refused(found: Sequence[Rounded]) -> Iterator[str]:
    """Return a sentence for each network without a certificate."""
    yield from (f"{each.name}: not certified: {each.refused}" for each in found if each.refused is not None)
