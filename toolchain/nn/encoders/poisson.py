"""Poisson coding: in every step a spike with the probability of the pixel."""

import torch
from torch import Tensor

from spikeport.export.network import Coding, Source
from spikeport.export.stimulus.encoders import poisson
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.encoder import Encoder, Seed, check_pixels, straight_through


class Poisson(Encoder, frozen=True, kw_only=True, tag="poisson"):
    """``s_t = 1`` with probability x, independently for every pixel and step; ``ds_t / dx = 1``.

    The derivative is that of the expectation, ``E[s_t] = x`` (straight-through); a spike by itself has none. The spikes
    are those of `spikeport.export.stimulus.encoders.poisson`, drawn anew in every forward pass. ``seed``: of what is
    drawn in evaluation and after deployment, sample n from (``seed``, n).

    Source: Wu et al., ACM Multimedia 2024, section 1 and Eq. 11 (poisson coding).
    """

    RANDOM = True

    seed: Seed = 0

    def __call__(self, images: Tensor, steps: int, *, generator: Draws | None = None) -> Tensor:
        check_pixels(self, images)
        draws = generator or Draws.fresh(len(images))
        shape = (steps, *images.shape[1:])
        numbers = draws.drawn(len(images), lambda each: poisson.drawn(each, shape)).to(images.device)
        fires = poisson.fires(images.detach().to(torch.float32), numbers)
        return straight_through(fires.to(images.dtype), images)

    def source(self, levels: int) -> Source:
        del levels
        return Source(levels=1, unit=1.0, coding=Coding(encoder="poisson", seed=self.seed))
