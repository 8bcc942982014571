"""Does a network run on a chip? Its neurons, its integers and its cores against every rule of the profile."""

from collections.abc import Iterator, Sequence

from spikeport.export.errors import ProfileError
from spikeport.export.network import IntegerNetwork, IntegerProjection, Network
from spikeport.export.target_rules import RULES, Examined, Misfit
from spikeport.export.targets import Target
from spikeport.hardware_profiles.chip_formats import OPTIONAL, held, known
from spikeport.hardware_profiles.encoding import weight_bits as bits_of
from spikeport.hardware_profiles.neuron_rules import failed, neuron_failures
from spikeport.hardware_profiles.profile import HardwareProfile
from spikeport.hardware_profiles.verdicts import ChipVerdict, Failure

TRIVIAL = Target(
    name="nothing",
    accumulator=(0, 0),
    current=(0, 0),
    current_with_bias=(0, 0),
    potential=(0, 0),
    threshold=(0, 0),
    bias_mantissa=(0, 0),
    bias_exponent=(0, 0),
    decay_current=(4096, 4096),
    decay_potential=(0, 0),
    exponent=(0, 0),
    sign_modes=(),
    delay=0,
)
"""A rule that this target keeps asks nothing of a chip; where it is broken, what the chip holds has to be known."""
UNQUANTIZED = "registers and synapses, until the network is quantized"


def runs_networks(profile: HardwareProfile) -> bool:
    """Whether a profile describes a chip, and not prices of operations only."""
    return profile.limits is not None or profile.layer_cores is not None


def check_runs(profiles: Sequence[HardwareProfile]) -> None:
    """Raise `ProfileError` for a profile on which nothing runs, as it only prices operations."""
    for profile in profiles:
        if not runs_networks(profile):
            raise ProfileError(f"{profile.name} prices operations only: nothing runs on it; give a chip with cores")


def chip_verdict(
    network: Network | Examined,
    profile: HardwareProfile,
    *,
    weight_bits: int | None = None,
    refused: str | None = None,
    asked: bool = False,
) -> ChipVerdict:
    """Return whether ``profile`` runs a network: which rules fail where, by how much, and what is not known.

    ``network``: a network, or one that was examined for another chip. A float network's weights have ``weight_bits``
    each. ``refused`` is why it does not fit the cores. Raises `ProfileError` for a profile that only prices operations.
    """
    check_runs([profile])
    examined = network if isinstance(network, Examined) else None
    if examined is None and isinstance(network, IntegerNetwork):
        examined = Examined(network)
    plain = network.network if isinstance(network, Examined) else network
    failures = [*neuron_failures(plain, profile), *_of_weights(plain, profile, weight_bits)]
    failures += [] if examined is None else _of_formats(examined, profile)
    failures += [] if refused is None else [_of_cores(refused)]
    unknown = (UNQUANTIZED,) if examined is None else tuple(_unknown(examined, profile))
    return ChipVerdict(chip=profile.name, failures=tuple(failures), unknown=unknown, asked=asked)


def _of_formats(examined: Examined, profile: HardwareProfile) -> Iterator[Failure]:
    target = known(profile)
    for rule in RULES:
        entry = held(profile.formats, rule.__name__)
        for misfit in rule(examined, target) if entry is not None else ():
            yield _failure(rule.__doc__ or "", misfit, entry.evidence if entry else "", entry.source if entry else "")


def _failure(doc: str, misfit: Misfit, evidence: str, source: str) -> Failure:
    requirement, _, way_out = doc.partition("; ")
    return Failure(
        rule=misfit.rule,
        where=(misfit.where,),
        amount=misfit.amount(),
        requirement=requirement,
        way_out=way_out,
        evidence=evidence,
        source=source,
        found=misfit.found,
        holds=misfit.holds,
    )


def _unknown(examined: Examined, profile: HardwareProfile) -> Iterator[str]:
    """Yield the formats that matter here and that the chip does not publish."""
    for rule in RULES:
        missing = held(profile.formats, rule.__name__) is None and rule.__name__ not in OPTIONAL
        if missing and any(True for _ in rule(examined, TRIVIAL)):
            yield rule.__name__.replace("_", " ")


def weights(stored: int, bits: int) -> bool:
    """A weight takes at most so many bits, with its sign; quantize or state fewer bits (--weight-bits)."""
    return bits > stored


def _of_weights(network: Network, profile: HardwareProfile, stated: int | None) -> Iterator[Failure]:
    if profile.encoding is None:
        return
    stored = int(profile.encoding.weight.value)
    bits = {
        f"projection {network.label(p)}": bits_of(p.synapses.weight)  # type: ignore[arg-type]
        for p in network.on_chip
        if isinstance(p, IntegerProjection)
    }
    found = bits or ({} if stated is None else {"all projections": stated})
    for where, width in found.items():
        if weights(stored, width):
            amount = f"weights of {width} bit: the chip stores up to {stored}, {width - stored} fewer"
            yield failed(weights, [where], amount, None)


def _of_cores(refused: str) -> Failure:
    return Failure(rule="cores", where=(), amount="", requirement=refused, way_out="")
