"""Latency coding: every pixel that is not zero fires once, the brighter the earlier."""

import torch
from torch import Tensor

from spikeport.export.network import Coding, Source
from spikeport.export.stimulus.encoders import latency
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.encoder import Encoder, check_pixels, straight_through


class Latency(Encoder, frozen=True, kw_only=True, tag="latency"):
    """``s_t = 1`` where ``t = floor((1 - x) (T - 1) + 1/2)`` and x > 0, for steps t from 0.

    The derivative is that of a spike which is shared by the two steps beside its time ``d = (1 - x) (T - 1)``,
    ``max(0, 1 - |t - d|)``: a brighter pixel moves it from the later step to the earlier one (where d is whole, from
    the step behind to the one before). The shares add up to 1 and their mean time is d. The choice is ours. The spikes
    are those of `spikeport.export.stimulus.encoders.latency`.

    Source: Thorpe et al., Neural Networks 2001; Rueckauer and Liu, ISCAS 2018 (linear latency).
    """

    def __call__(self, images: Tensor, steps: int, *, generator: Draws | None = None) -> Tensor:
        del generator
        check_pixels(self, images)
        step = torch.arange(steps, dtype=images.dtype, device=images.device).view(-1, *[1] * images.ndim)
        sent = latency.fires(images.detach(), step, steps).to(images.dtype)
        shared = (1 - (step - latency.delay(images, steps)).abs()).clamp(min=0)
        return straight_through(sent, shared)

    def fault(self, steps: int) -> str | None:
        return None if steps > 1 else "latency coding needs two steps at least: in one step all pixels fire alike"

    def source(self, levels: int) -> Source:
        del levels
        return Source(levels=1, unit=1.0, coding=Coding(encoder="latency"))
