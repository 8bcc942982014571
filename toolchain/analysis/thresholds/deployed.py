"""The network in integers beside the network in real numbers: which spikes rounding flips, and what is certified."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from spikeport.export import archive
from spikeport.export.certificate import Certificates
from spikeport.export.errors import NetworkError, QuantizationError
from spikeport.export.flips import Ran, check_alike, compared
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.hardware_profiles.shares import mean, parts
from spikeport.toolchain.analysis.thresholds.figures import BITS, FLOAT, Certified, Rounded, Spread
from spikeport.toolchain.data.dataset import PIXEL_LEVELS
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.robustness.deployed import Deployed

QUANTILES = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lowered:
    """A network as real numbers, and as integers by name, all of the same populations."""

    network: FloatNetwork
    integers: Mapping[str, IntegerNetwork]


def lowered(model: SNN, bits: Sequence[int], given: Mapping[str, IntegerNetwork]) -> Lowered | None:
    """Return the network lowered and quantized to ``bits``, with the archives that are ``given``; None without both.

    Raises where the network cannot be lowered, a number of bits is too small for it, or an archive is another network.
    """
    if not bits and not given:
        return None
    network = folded(lower(model.cpu(), levels=PIXEL_LEVELS))
    if not network.spiking:
        raise NetworkError("the network has no spiking neurons")
    integers = {f"{each}{BITS}": _quantized(network, each) for each in bits}
    for name, each in given.items():
        check_alike(network, each, name)
    return Lowered(network=network, integers={**integers, **given})


def _quantized(network: FloatNetwork, bits: int) -> IntegerNetwork:
    try:
        return quantize(network, weight_bits=bits)
    except QuantizationError as error:
        raise QuantizationError(f"{bits} bits: {error}; leave them out of the bits (--bits)") from None


def rounded(networks: Lowered, images: Tensor, labels: Tensor, levels: Sequence[float]) -> tuple[Rounded, ...]:
    """Return what was found of every network on images (N, ...) in [0, 1], the one in real numbers first.

    ``levels``: changes of the input for which images are counted whose certificate reaches them.
    """
    stimulus = Deployed(networks.network).stimulus(images)
    names = (FLOAT, *networks.integers)
    every: tuple[FloatNetwork | IntegerNetwork, ...] = (networks.network, *networks.integers.values())
    sizes = {each.name: int(np.prod(each.shape)) * networks.network.steps for each in networks.network.spiking}
    found = compared(networks.network, list(networks.integers.values()), stimulus, levels=levels, title="integers")
    base, truth = found[0].scores.argmax(1), labels.numpy()
    return tuple(
        _rounded(name, network, ran, base, truth, sizes, levels)
        for name, network, ran in zip(names, every, found, strict=True)
    )


def _rounded(
    name: str,
    network: FloatNetwork | IntegerNetwork,
    ran: Ran,
    base: Array,
    truth: Array,
    sizes: Mapping[str, int],
    levels: Sequence[float],
) -> Rounded:
    classes = ran.scores.argmax(1)
    by_population, total = parts(ran.flips, sizes) if ran.flips else ({}, None)
    untouched = None if not ran.flips else mean(np.asarray(sum(ran.flips.values())) == 0)
    return Rounded(
        name=name,
        digest=archive.digest(network),
        accuracy=mean(classes == truth),
        changed=None if not ran.flips else mean(classes != base),
        flips=by_population,
        total=total,
        untouched=untouched,
        certified=None if ran.certificates is None else _certified(network, ran.certificates, levels),
        refused=ran.refused,
    )


def _certified(network: FloatNetwork | IntegerNetwork, found: Certificates, levels: Sequence[float]) -> Certified:
    weights, unit = found.weights, 1
    if isinstance(network, IntegerNetwork):
        unit = max(int(np.abs(each.synapses.weight.astype(int)).max()) for each in network.projections)
    return Certified(
        input=_spread(found.input),
        levels=tuple(levels),
        reached=tuple(mean(found.input >= each) for each in levels),
        first=tuple(found.first),
        neurons=tuple(mean(share) for share in found.kept.T),
        weights=_spread(weights / unit),
        steps=_spread(weights) if isinstance(network, IntegerNetwork) else None,
    )


def _spread(values: Array) -> Spread:
    """Return the quantiles that are numbers of the images; infinite ones are None."""
    found = np.quantile(values, QUANTILES, method="lower")
    least, lower_, median, upper, most = (float(each) if np.isfinite(each) else None for each in found)
    return Spread(least=least, lower=lower_, median=median, upper=upper, most=most)
