"""Randomized smoothing coding: Gaussian noise on the pixels."""

from typing import Annotated, Literal

from msgspec import Meta
from torch import Tensor

from spikeport.export.network import Coding, Source
from spikeport.export.stimulus.encoders import rsc
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.encoder import Encoder, Seed, check_pixels, held


class Rsc(Encoder, frozen=True, kw_only=True, tag="rsc"):
    """``clamp(x + e, 0, 1)`` with ``e ~ N(0, sigma^2 I)``: one sample for all steps (RSC-I), or one a step (RSC-II).

    ``sigma`` is the deviation: the paper's RSC-0.1 has a variance of 0.1, sigma = 0.3162. The derivative is that of the
    clamp: 1 where the noisy pixel lies in [0, 1], else 0. Noise is drawn anew in every forward pass; ``seed``: of what
    is drawn in evaluation and after deployment, sample n from (``seed``, n). A deployed network is given the noisy
    image, rounded to its levels, by the host.

    Source: Wu et al., ACM Multimedia 2024, Eq. 7 to 10.
    """

    RANDOM = True

    sigma: Annotated[float, Meta(gt=0, le=1)]
    variant: Literal["I", "II"] = "I"
    seed: Seed = 0

    def __call__(self, images: Tensor, steps: int, *, generator: Draws | None = None) -> Tensor:
        check_pixels(self, images)
        draws = generator or Draws.fresh(len(images))
        shape = (steps if self.variant == "II" else 1, *images.shape[1:])
        noise = draws.drawn(len(images), lambda each: rsc.drawn(each, shape))
        noisy: Tensor = rsc.noisy(images, noise.to(images), self.sigma)
        return noisy

    def source(self, levels: int) -> Source:
        settings = (("sigma", self.sigma), ("each_step", float(self.variant == "II")))
        return held(levels, coding=Coding(encoder="rsc", seed=self.seed, settings=settings))
