"""Weighted phase coding: the bits of a pixel, most significant first, as spikes with the weights of the bits."""

import torch
from torch import Tensor

from spikeport.export.network import Coding, Source
from spikeport.export.stimulus.encoders import phase
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.encoder import Encoder, check_pixels, straight_through


class Phase(Encoder, frozen=True, kw_only=True, tag="phase"):
    """``s_t = b_k w_k`` in phase ``k = t mod K`` for the bits b of ``255 x``, w = 128, 64, ..., 1 of 255, K = 8.

    ``ds_t / dx = w_k``: a period adds up to the pixel, and so does its derivative (straight-through, each bit as its
    pixel). T is K at least; a last period that is not whole lacks its smallest bits. The levels are those of
    `spikeport.export.stimulus.encoders.phase`; a deployed network has a channel for each bit and plain spikes.

    Source: Kim et al., Neurocomputing 2018 (weighted spikes).
    """

    def __call__(self, images: Tensor, steps: int, *, generator: Draws | None = None) -> Tensor:
        del generator
        check_pixels(self, images)
        weight = torch.from_numpy(phase.weights(steps)).to(images).view(-1, *[1] * images.ndim)
        bits = phase.bit(images.detach(), weight)
        return straight_through(bits * (weight / phase.LEVELS), images * (weight / phase.LEVELS))

    def fault(self, steps: int) -> str | None:
        if steps >= phase.BITS:
            return None
        return (
            f"phase coding sends {phase.BITS} bits of a pixel one after the other, and T is {steps}: its smallest bits "
            f"are never sent; expected steps = {phase.BITS} at least"
        )

    def source(self, levels: int) -> Source:
        del levels
        return Source(levels=1, unit=1.0, coding=Coding(encoder="phase_bits"))
