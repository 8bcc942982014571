"""Are a network's gradients masked: the five checks of Athalye et al., and sweeps of iterations and of epsilon."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.analysis.excess import excess
from spikeport.toolchain.analysis.points import Point, point
from spikeport.toolchain.analysis.result import Obfuscation
from spikeport.toolchain.analysis.runs import Broken, Run, Runs
from spikeport.toolchain.analysis.settings import MOST, Checks
from spikeport.toolchain.analysis.verdicts import Check, Side
from spikeport.toolchain.analysis.white_box import WhiteBox
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.evaluation import evaluating
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.robustness.groups import for_model

Named = tuple[str, Broken]
SEVERITY = ("pass", "undecided", "fail")
ANY_IMAGE = "exchange of the image"


def obfuscation(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    members: Sequence[Member],
    title: str,
    epsilon: float,
    checks: Checks | None = None,
    seed: int = 0,
    levels: int | None = None,
) -> Obfuscation:
    """Examine whether gradients that ``members`` follow are masked, on images (N, ...) in [0, 1] with labels (N,).

    ``title`` names the members together; an image is robust that withstands all. ``epsilon`` in pixel levels, above 0.
    ``levels``: attacked pixels are multiples of 1/levels. The model runs in evaluation mode on its own device. Raises
    `AttackError` where there are no images, or ``epsilon`` lies outside of (0, 255].

    Source: Athalye, Carlini and Wagner, ICML 2018, section 3.1; iterations as in Schmolli et al., Table B3.
    """
    if not len(images):
        raise AttackError("there are no images to examine; give some with labels")
    if not 0 < epsilon <= MOST:
        raise AttackError(f"epsilon is {epsilon}; expected pixel levels above 0, up to 255 (8 is 8/255)")
    box = WhiteBox.of(for_model(members, model) if isinstance(model, Backbone) else members, title)
    with evaluating(model):
        runs = Runs(model=model, images=images, labels=labels, seed=seed, levels=levels)
        return _Examination(box, checks or Checks(), epsilon, runs).result()


class _Examination:
    """All runs of one examination, and what is read off them."""

    def __init__(self, box: WhiteBox, checks: Checks, epsilon: float, runs: Runs) -> None:
        self.box, self.checks, self.epsilon, self.runs = box, checks, epsilon, runs
        self.white = Run(box.members, epsilon)
        self.iterated = Run(box.iterated(), epsilon)
        self.one_step = Run(box.one_step(), epsilon)
        self.black_box = Run((Member(name="square", attack=Square(queries=checks.queries)),), epsilon)
        self.by_steps = {steps: Run(box.iterated(steps), epsilon) for steps in sorted(set(checks.iterations))}
        self.by_epsilon = {each: Run(box.iterated(), each) for each in checks.sweep(epsilon)}
        self.unbounded = Run(box.iterated(max(checks.iterations)), MOST)
        runs.expect(self._passes())

    def result(self) -> Obfuscation:
        """Return figures and verdicts."""
        runs, images = self.runs, len(self.runs.images)
        white, black = runs.broken(self.white), runs.broken(self.black_box)
        sampled = runs.sampled(self.epsilon, self.checks.samples, white)
        most = runs.broken(self.by_steps[max(self.by_steps)])
        iterated = runs.broken(self.iterated)
        return Obfuscation(
            attack=self.box.title,
            epsilon=self.epsilon,
            images=images,
            seed=runs.seed,
            clean=_left(runs.wrong),
            robust=_left(white),
            together=_left(white | black | sampled),
            without_gradient=runs.without_gradient(self.box.members),
            checks=tuple(self._checks(white, black, sampled, iterated)),
            iterations=self._sweep(self.by_steps),
            epsilons=(point(0, _left(runs.wrong), images), *self._sweep(self.by_epsilon)),
            convergence=excess(most, iterated),
        )

    def _checks(self, white: Broken, black: Broken, sampled: Broken, iterated: Broken) -> Iterator[Check]:
        runs, title, checks = self.runs, self.box.title, self.checks
        own = title if self.white == self.iterated else f"iterations of {title}"
        yield _check("one_step", ("FGSM", runs.broken(self.one_step)), (own, iterated))
        yield _check("black_box", (f"Square with {checks.queries:,} queries", black), (title, white))
        by_epsilon = [(f"eps {each:g}/255", runs.broken(run)) for each, run in self.by_epsilon.items()]
        yield _worst("larger_epsilon", by_epsilon)
        unbounded = runs.added(self.unbounded, runs.broken(self.by_epsilon[MOST]))
        yield _check("unbounded", (ANY_IMAGE, unbounded | True), ("eps 255/255", unbounded))
        yield _check("random_sampling", (f"{title} and {checks.samples:,} random samples", sampled), (title, white))
        yield _worst("iterations", [(f"{steps} iterations", runs.broken(run)) for steps, run in self.by_steps.items()])

    def _sweep(self, sweep: Mapping[float, Run] | Mapping[int, Run]) -> tuple[Point, ...]:
        images = len(self.runs.images)
        return tuple(point(value, _left(self.runs.broken(run)), images) for value, run in sweep.items())

    def _passes(self) -> int:
        """Return the work of all runs, in passes of all images; equal runs count once."""
        runs = {self.white, self.iterated, self.one_step, self.black_box}
        runs |= {*self.by_steps.values(), *self.by_epsilon.values()}
        return sum(run.passes for run in runs) + self.unbounded.passes + self.checks.samples


def _check(name: str, weaker: Named, stronger: Named, *, pairs: int = 1) -> Check:
    return Check(
        name=name,
        weaker=Side(name=weaker[0], robust=_left(weaker[1])),
        stronger=Side(name=stronger[0], robust=_left(stronger[1])),
        excess=excess(weaker[1], stronger[1], pairs=pairs),
    )


def _worst(name: str, ordered: Sequence[Named]) -> Check:
    """Return the check of the neighbours in an order of strength that speak most against it."""
    found = [_check(name, *both, pairs=len(ordered) - 1) for both in pairwise(ordered)]
    return max(found, key=lambda check: (SEVERITY.index(check.verdict), check.excess.share))


def _left(broken: Broken) -> float:
    """Return the share of images that are not broken."""
    return float((~broken).double().mean())
