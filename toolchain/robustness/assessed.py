"""What an assessment found: a table for people and plain values for JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from spikeport.hardware_profiles.output.table import Cell, Number, Table, percent, words
from spikeport.hardware_profiles.result import Result

WHITE, BLACK, TRANSFERRED = "white box", "black box", "transferred"
TRAINED, DEPLOYED = "float", "deployed"
AGREEMENT = 0.9
"""Share of clean images that a network and its integers classify alike, at least."""
EXHAUSTIVE = "robust accuracy is an upper bound: an attack that was not run may break more images"


def masked_at(epsilons: Sequence[float]) -> str:
    """Return the warning of epsilons at which black-box attacks break more than white-box ones."""
    *all_but_last, last = (f"{each:g}/255" for each in epsilons)
    at = f"{', '.join(all_but_last)} and {last}" if all_but_last else last
    return (
        f"at {at} an attack without gradients leaves fewer images than each one with gradients, a sign of masked "
        "gradients: the white-box figures are too high"
    )


@dataclass(frozen=True, kw_only=True)
class Share(Result):
    """A share of images with its standard error, ``sqrt(p (1 - p) / n)``."""

    share: float
    error: float

    @classmethod
    def of(cls, count: int, images: int) -> "Share":
        """Return ``count`` of ``images``."""
        share = count / images
        return cls(share=share, error=math.sqrt(share * (1 - share) / images))

    def cell(self) -> Number:
        """Return both as the cell of a table."""
        return Number(value=self.share, error=self.error)

    def text(self) -> str:
        """Return both in percent."""
        return f"{100 * self.share:.1f} ± {100 * self.error:.1f}"


@dataclass(frozen=True, kw_only=True)
class Row(Result):
    """One attack with all its gradients on one network at one epsilon: the worst case of its ``members`` per image.

    ``network``: 'float', or 'deployed': the integers (or the archive's float network). ``way``: 'white box',
    'black box', or 'transferred': images that were made on the float network, rounded to the input's levels inside of
    the ball, decide on the deployed one. ``queries`` are images that the attacked network was given; ``order``: the
    members' names by strength.
    """

    title: str
    network: str
    way: str
    epsilon: float
    robust: Share
    queries: int
    seconds: float
    order: tuple[str, ...]
    members: tuple[dict[str, Any], ...]

    @property
    def label(self) -> str:
        """What was done, without the network."""
        return f"{self.title}, transferred" if self.way == TRANSFERRED else self.title


@dataclass(frozen=True, kw_only=True)
class AtEpsilon(Result):
    """All rows at one ``epsilon`` (in levels of 1/255), and the minimum per image over them.

    ``worst_float``: right without an attack and under every attack on the float network. ``worst_transferred``: the
    deployed network, under every image that a white-box attack made. ``worst_black_box``: it, under attacks by its own
    scores. ``deployed``: under all of them, the robust accuracy after deployment. What was not run is None.
    ``black_box_only``: images that only an attack without gradients broke on the float network.
    """

    epsilon: float
    rows: tuple[Row, ...]
    worst_float: Share | None
    worst_transferred: Share | None
    worst_black_box: Share | None
    deployed: Share | None
    black_box_only: int | None

    @property
    def masked(self) -> bool:
        """Whether an attack without gradients leaves less of the float network than the strongest with gradients."""
        white = [row.robust.share for row in self.rows if (row.network, row.way) == (TRAINED, WHITE)]
        black = [row.robust.share for row in self.rows if (row.network, row.way) == (TRAINED, BLACK)]
        return bool(white and black) and min(black) < min(white)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the figures at this epsilon doubtful."""
        return (masked_at([self.epsilon]),) * self.masked

    def ran(self) -> str:
        """Return what was run on which network, a sentence for each."""
        float_ = [row.title for row in self.rows if row.network == TRAINED]
        moved = [row.title for row in self.rows if row.way == TRANSFERRED]
        own = [row.title for row in self.rows if (row.network, row.way) == (DEPLOYED, BLACK)]
        parts = [f"on the float network {'; '.join(float_)}"] * bool(float_)
        parts += [f"on the integers the images of {len(moved)} of these attacks, rounded inside of the ball"] * bool(
            moved
        )
        parts += [f"on the integers themselves {'; '.join(own)}"] * bool(own)
        return ". ".join(part if index == 0 else part[0].upper() + part[1:] for index, part in enumerate(parts))


@dataclass(frozen=True, kw_only=True)
class Assessment(Result):
    """Robust accuracy of a network, its integers, or both, with what was run.

    ``networks``: by role, 'float' and 'deployed', what it is and its digest. ``clean``: accuracy without an attack by
    role, on the ``images`` as ``levels`` says (multiples of 1/levels; None: as they are). ``agreement``: share of clean
    images that both classify alike. ``members``: the attacks of ``suite`` by name; random numbers follow from ``seed``,
    the name and the image's number. ``epsilons``: what was measured, an entry per size of the ball. ``notes``: what a
    reader has to know; ``doubts``: what makes all figures doubtful.
    """

    derived: ClassVar = ("queries", "seconds")

    suite: str
    networks: dict[str, dict[str, str]]
    images: int
    levels: int | None
    seed: int
    members: tuple[dict[str, Any], ...]
    clean: dict[str, Share]
    agreement: float | None
    epsilons: tuple[AtEpsilon, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def queries(self) -> int:
        """Images that networks were given by all attacks."""
        return sum(row.queries for each in self.epsilons for row in each.rows)

    @property
    def seconds(self) -> float:
        """Seconds of all attacks, added up over processes."""
        return sum(row.seconds for each in self.epsilons for row in each.rows)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the figures doubtful."""
        found = [f"warning: {sentence}" for sentence in self.doubts]
        masked = [each.epsilon for each in self.epsilons if each.masked]
        if masked:
            found.append(f"warning: {masked_at(masked)}")
        if self.agreement is not None and self.agreement < AGREEMENT:
            found.append(
                f"warning: both networks give the same class for {self.agreement:.1%} of the clean images; if the "
                "deployed network was not made of this float network, its transferred figures are of another network"
            )
        return tuple(found)

    def text(self) -> str:
        """Return the robust accuracy, networks, images, the table with a column for each epsilon, and what was run."""
        first = "\n".join([*self._headline(), *self._given()])
        return "\n\n".join([first, self.tables()[0].text(), "\n".join(self._said())])

    def tables(self) -> tuple[Table]:
        """Return the table, for CSV and LaTeX."""
        first = words("robust accuracy in %, ± standard error")
        found = Table(
            name="robust_accuracy",
            title=f"Robust accuracy on {self.images:,} images by epsilon, suite {self.suite}",
            columns=[first, *(percent(f"{each.epsilon:g}/255", bare=True) for each in self.epsilons)],
            rows=list(self._rows()),
            notes=[*self._given(), *self.warnings],
        )
        return (found,)

    def _headline(self) -> Iterator[str]:
        """Yield the robust accuracy of each network, the deployed one first."""
        for role, key in ((DEPLOYED, "deployed"), (TRAINED, "worst_float")):
            shares = [(each.epsilon, getattr(each, key)) for each in self.epsilons]
            told = ", ".join(f"{share.text()} % at {epsilon:g}/255" for epsilon, share in shares if share is not None)
            if role in self.networks and told:
                yield f"robust accuracy of the {self._called(role)}: {told}"

    def _given(self) -> Iterator[str]:
        for role, told in self.networks.items():
            yield f"{self._called(role)}: {told['what']}, digest {told['digest'][:12]}"
        levels = "" if self.levels is None else f", multiples of 1/{self.levels} also under attack"
        yield f"{self.images:,} images{levels}; seed {self.seed}"
        count = len(self.members)
        yield f"suite {self.suite}: {count} attack{'s' * (count > 1)}; an image is robust that withstands each of them"

    def _rows(self) -> Iterator[tuple[Cell, ...]]:
        for role in self.networks:
            yield (f"{self._called(role)}, no attack", *[self.clean[role].cell()] * len(self.epsilons))
            for number, row in enumerate(self.epsilons[0].rows):
                if row.network == role:
                    yield (f"  {row.label}", *(each.rows[number].robust.cell() for each in self.epsilons))
            if role == TRAINED:
                yield from self._line("  worst case per image", [each.worst_float for each in self.epsilons])
            else:
                yield from self._line("  worst case, transferred", [each.worst_transferred for each in self.epsilons])
                yield from self._line("  worst case, own scores", [each.worst_black_box for each in self.epsilons])
                yield from self._line("  robust accuracy after deployment", [each.deployed for each in self.epsilons])

    def _called(self, role: str) -> str:
        """Return what the table calls a network."""
        integers = self.networks[role]["what"].startswith(("integer", "bias"))
        return "float network" if role == TRAINED else "integers" if integers else "network of the archive"

    def _line(self, title: str, shares: Sequence[Share | None]) -> Iterator[tuple[Cell, ...]]:
        if all(each is not None for each in shares):
            yield (title, *(each.cell() for each in shares if each is not None))

    def _said(self) -> Iterator[str]:
        yield f"queries: {self.queries:,} images went through the networks, in {self.seconds:.0f} s of computing"
        only = [f"{each.black_box_only:,} at {each.epsilon:g}/255" for each in self.epsilons if each.black_box_only]
        if only:
            yield f"images of the float network that only attacks without gradients break: {', '.join(only)}"
        yield from (f"note: {note}" for note in self.notes)
        yield f"note: {EXHAUSTIVE}"
        yield from self.warnings
