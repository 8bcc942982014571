"""A network of an archive as a callable: PyTorch images in, the integer scores of its classes out, no gradients."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from spikeport.export import archive
from spikeport.export.errors import AttackError, StimulusError
from spikeport.export.executors import fast, floating
from spikeport.export.network import Array, BiasNetwork, FloatNetwork, IntegerNetwork, Network
from spikeport.export.passes import folded
from spikeport.export.stimulus import Intake, Stimulus
from spikeport.export.stimulus.coding import generators_of, sent
from spikeport.export.stimulus.encoders import encoder
from spikeport.export.trace import scores
from spikeport.toolchain.data.dataset import PIXEL_LEVELS
from spikeport.toolchain.evaluation import SLACK
from spikeport.toolchain.nn.draws import Draws

UNIT = 1e-9
"""How far, relatively, the unit of a level may be from 1/levels."""


class Deployed:
    """Scores (N, classes) of images in [0, 1] whose pixels are levels of the network's input, bit for bit.

    An integer network runs in the fast executor and gives int64: spike counts of the readout, its potential after the
    last step, or T times its mean potential, as `spikeport.export.trace.score_rule` says; the class is the first of the
    largest scores. A float network runs in float64. Images are (N, *shape), held over the steps, or (N, T, *shape); of
    a network that was trained with an encoder they are pixels of 8 bits, which the host codes.
    ``threads``: of the fast executor, one per core if None.

    `AttackError` where a pixel lies between two levels: rounding it would leave the epsilon ball unseen. An epsilon of
    a whole number of levels, around images on levels, keeps `Square` on them.
    """

    def __init__(self, network: Network, *, threads: int | None = None) -> None:
        self.network = network
        self.intake = Intake.of(network)
        self.generator: Draws | None = None
        coded = self.intake.source.coding is not None
        self.levels = PIXEL_LEVELS if coded else self.intake.source.levels
        unit = 1 / PIXEL_LEVELS if coded else self.intake.source.unit
        if abs(unit * self.levels - 1) > UNIT:
            raise AttackError(
                f"the network's input are levels of {unit:g}, from 0 to {self.levels}; expected levels of "
                f"1/{self.levels}: an epsilon ball is one around pixels in [0, 1]"
            )
        self._run = _runner(network, threads)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the scores, on the device of ``images``."""
        return torch.from_numpy(self._run(self.stimulus(images))).to(images.device)

    def __reduce__(self) -> tuple[Callable[[bytes], "Deployed"], tuple[bytes]]:
        """Return how another process makes it again, with one thread, as processes share the cores."""
        return _restored, (archive.to_bytes(self.network),)

    @property
    def is_random(self) -> bool:
        """Whether the host draws random numbers to code an image."""
        coding = self.intake.source.coding
        return coding is not None and encoder(coding.encoder).draws

    @contextmanager
    def drawing(self, draws: Draws) -> Iterator[None]:
        """Let the host draw from ``draws`` inside the block."""
        before, self.generator = self.generator, draws
        try:
            yield
        finally:
            self.generator = before

    def numbered(self, numbers: Iterable[int]) -> AbstractContextManager[None]:
        """Let images inside the block draw from the seeds (the archive's, number)."""
        coding = self.intake.source.coding
        return self.drawing(Draws(generators_of(0 if coding is None else coding.seed, numbers)))

    @property
    def classes(self) -> int:
        """Number of scores."""
        return math.prod(self.network.readout.shape)

    def stimulus(self, images: Tensor) -> Stimulus:
        """Return the levels of images as what executors take."""
        intake, shape = self.intake, tuple(images.shape[1:])
        held, coding = shape == intake.pixels, intake.source.coding
        if not held and (shape != intake.timed or coding is not None):
            expected = ", ".join(map(str, intake.pixels))
            raise StimulusError(
                f"images of shape {tuple(images.shape)}; the network takes (N, {expected}), or (N, {intake.steps}, "
                f"{expected}) step by step"
            )
        scaled = images.detach().cpu().double() * self.levels
        whole = torch.round(scaled)
        if whole.numel():
            self._check(float((scaled - whole).abs().max()), float(whole.min()), float(whole.max()))
        values = np.asarray(whole.numpy(), np.min_scalar_type(self.levels))
        if coding is not None:
            draws = self.generator or Draws.fresh(len(values))
            values = sent(values / np.float64(self.levels), intake, coding, draws.chosen(len(values)))
            held = values.shape[1:] == intake.shape
        found = Stimulus(values=values, steps=intake.steps, held=held)
        if intake.held:
            found.require_held()
        return found

    def _check(self, off: float, least: float, most: float) -> None:
        if not (off <= SLACK and least >= 0 and most <= self.levels):
            raise AttackError(
                f"pixels of {least:g} to {most:g} levels, up to {off:.3g} beside a level; expected 0 to {self.levels} "
                f"and whole levels: round images to multiples of 1/{self.levels}, and epsilon down to one"
            )


@lru_cache(maxsize=1)
def _restored(data: bytes) -> Deployed:
    """Return the network of an archive's bytes; a process that is given parts one after the other makes it once."""
    return Deployed(archive.from_bytes(data), threads=1)


def _runner(network: Network, threads: int | None) -> Callable[[Stimulus], Array]:
    """Return what gives the scores of a stimulus."""
    if isinstance(network, IntegerNetwork | BiasNetwork):
        return fast.Scorer(network, threads=threads)
    assert isinstance(network, FloatNetwork)
    ready = folded(network)
    return lambda stimulus: scores(floating.steps(ready, stimulus), ready, len(stimulus))
