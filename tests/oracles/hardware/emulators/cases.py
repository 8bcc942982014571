"""Networks and input spikes that both emulators run; everything random depends on the name alone.

Large cases reach 10^6 neuron steps; small ones are drawn at random, or stand at the ends of registers. A case whose
name begins with 'rule' leaves a register on purpose: there an emulator and Lava differ, by a rule of `rules.py`.
"""

import itertools
from collections.abc import Iterator
from functools import partial

from tests.oracles.hardware.emulators import ends
from tests.oracles.hardware.emulators.drawn import LEAKS, SIGNS, anything, large, pictured, weighted
from tests.oracles.hardware.emulators.networks import Case, image_case, scaled

SEEDS = 40


def cases() -> Iterator[Case]:
    """Yield all cases."""
    for name, leak in LEAKS.items():
        yield scaled(f"large-{name}-plain", partial(large, leak=leak, stride=1, padding=0))
        yield scaled(f"large-{name}-strided", partial(large, leak=leak, stride=2, padding=1))
    yield scaled("large-grouped", partial(large, leak=LEAKS["cuba"], stride=1, padding=1, dilation=2))
    for sign, (size, exponent) in itertools.product(SIGNS, ((1, 0), (3, 2), (40, 1), (127, 0), (127, 3), (1, 8))):
        make = partial(weighted, sign=sign, size=size, exponent=exponent)
        yield scaled(f"weights-{sign}-{size}-{exponent}", make)
    for name in ("if", "leaky", "cuba"):
        yield image_case(f"image-{name}", partial(pictured, leak=LEAKS[name]))
    for seed in range(SEEDS):
        yield scaled(f"random-{seed:02}", anything)
    yield from (ends.thresholds(), ends.bias_thresholds(), ends.decays(), ends.delayed(), ends.saturation())
    yield from (ends.accumulator(), ends.current(), ends.input_sum(), ends.clipped_weight())
