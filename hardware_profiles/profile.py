"""A chip as typed data: every constant with value, unit, evidence class and source.

Classes: ``published`` (by the maker or in a paper), ``fitted`` (to silicon: constants of a model, or the arithmetic of
an emulator that its makers compared with the chip), ``scaled`` (from another chip), ``assumed`` (by us, for want of
anything better).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from spikeport.export.errors import ProfileError
from spikeport.hardware_profiles.tables import read_table

PROFILE_DIR = Path(__file__).parent / "profiles"
Evidence = Literal["published", "fitted", "scaled", "assumed"]
StatedAs = Literal["minimum", "maximum", "typical"]
Part = Literal["neuron_updates", "spike_traffic", "static"]
"""Parts of the energy that a chip's constant per accumulate may already hold."""


class Constant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One number with its unit and where it comes from.

    ``stated_as``: what the source calls the number, if it says. ``reading``: what we take the number for where the
    source does not say it; a figure with such a constant is marked like one with an assumed constant.
    """

    value: float
    unit: str
    evidence: Evidence
    source: str
    stated_as: StatedAs | None = None
    reading: str | None = None


class Sizes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number for each core of a chip whose cores differ."""

    value: Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=4096)]
    unit: str
    evidence: Evidence
    source: str


class Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The smallest and the largest value of a register."""

    value: tuple[int, int]
    unit: str
    evidence: Evidence
    source: str


class SignModes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signs that the weights of a list may have."""

    value: Annotated[tuple[Literal["mixed", "excitatory", "inhibitory"], ...], msgspec.Meta(min_length=1)]
    evidence: Evidence
    source: str


class Lists(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kinds of lists that a core reads."""

    value: Annotated[tuple[Literal["dense", "sparse", "run_length"], ...], msgspec.Meta(min_length=1)]
    evidence: Evidence
    source: str


class Sharing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a core shares a convolution's kernel."""

    value: Literal["border_class", "one_copy"]
    evidence: Evidence
    source: str


class ByTiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A number that grows with the tiles in use: ``value`` holds from ``tiles`` on, to before the next of these."""

    tiles: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=64)]
    value: Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=64)]
    unit: str
    evidence: Evidence
    source: str
    stated_as: StatedAs | None = None
    reading: str | None = None

    def at(self, tiles: int) -> float:
        """Return the number for so many tiles, at least one."""
        return max(pair for pair in zip(self.tiles, self.value, strict=True) if pair[0] <= tiles)[1]


class Included(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parts of the energy that the constant per accumulate already holds, so that they are not added again."""

    value: Annotated[tuple[Part, ...], msgspec.Meta(min_length=1)]
    evidence: Evidence
    source: str


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one core can hold; a limit that is not published is absent."""

    cores_per_chip: Constant
    neurons: Constant
    synaptic_memory: Constant
    core_memory: Constant | None = None
    input_axons: Constant | None = None
    output_axons: Constant | None = None
    threshold_registers: Constant | None = None
    decay_registers: Constant | None = None
    synapse_registers: Constant | None = None


class LayerCores(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cores that take a whole layer each; see `spikeport.hardware_profiles.layer_placement`."""

    kernel_words: Sizes
    neuron_words: Sizes
    channels: Constant
    side: Constant
    kernel_side: Constant
    destinations: Constant


class Lack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that a chip's neurons do not do, and how that is known."""

    evidence: Evidence
    source: str


class Neurons(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a chip's neurons do not do; the rules of `spikeport.hardware_profiles.neuron_rules`, by name."""

    several_spikes: Lack | None = None
    subtractive_reset: Lack | None = None
    reset_value: Lack | None = None
    overhang: Lack | None = None
    floor: Lack | None = None
    refractory: Lack | None = None
    synaptic_current: Lack | None = None
    leak: Lack | None = None
    inclusive: Lack | None = None
    graded_input: Lack | None = None
    multiply_accumulate: Lack | None = None


class Formats(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What registers and synapses hold; the rules of `spikeport.export.target_rules`, by name.

    What is not published is absent, and whether the chip holds it is not known. Widths in bits without the sign, of
    numbers in units of potential: 64 to a unit of activation. ``weight_exponent`` is of a mantissa of 8 bits and a
    sign, whose lowest bit is zero where signs are mixed: one less than the exponent of an archive's 8-bit weights.
    ``decay_current`` and ``decay_potential`` in 1/4096, ``delay`` in steps beyond the first, ``refractory`` in steps of
    rest.
    """

    accumulator: Constant | None = None
    current: Constant | None = None
    current_with_bias: Constant | None = None
    potential: Constant | None = None
    threshold: Span | None = None
    bias_mantissa: Span | None = None
    bias_exponent: Span | None = None
    decay_current: Span | None = None
    decay_potential: Span | None = None
    weight_exponent: Span | None = None
    sign_modes: SignModes | None = None
    delay: Constant | None = None
    refractory: Constant | None = None


class Encoding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How synapses and neurons take memory; see `spikeport.hardware_profiles.encoding`.

    ``lists``: which of 'dense', 'sparse' and 'run_length' lists a core reads. ``shared``: how it shares a convolution's
    kernel, with a copy per 'border_class' or 'one_copy'; absent where it cannot. An index has ``index`` bits or, with
    an ``index_least``, as few as tell the neurons of a core apart, but not fewer than that. Delays take up to
    ``delay_bits`` bits beside every weight, as many as the projection's needs. A list whose weights all have
    ``one_sign`` saves that many bits of every weight.
    """

    lists: Lists
    shared: Sharing | None = None
    word: Constant
    list_header: Constant
    list_block: Constant
    index: Constant
    index_least: Constant | None = None
    weight: Constant
    delay_bits: Constant | None = None
    one_sign: Constant | None = None
    neuron_state: Constant
    input_axon_entry: Constant
    population_axon_slots: Constant | None = None


class Energy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Energy of one operation, and the power that flows without any; what is not known is absent."""

    accumulate: Constant
    included: Included | None = None
    accumulate_shared: Constant | None = None
    multiply_accumulate: Constant | None = None
    multiply_accumulate_host: Constant | None = None
    neuron_update_inactive: Constant | None = None
    neuron_update_active: Constant | None = None
    message: Constant | None = None
    hop_vertical: Constant | None = None
    hop_horizontal: Constant | None = None
    static_power: Constant | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time of one operation; see `spikeport.hardware_profiles.latency`.

    ``neuron_update`` is that of every neuron, or, with a ``neuron_update_active``, of those that do not fire. Messages
    are ``message_sent`` by the core of the neuron and ``message_received`` by that of the synapses. A step takes the
    ``barrier`` at least; ``synchronisation`` comes after the slowest core of every step.
    """

    neuron_update: Constant | None = None
    neuron_update_active: Constant | None = None
    message_sent: Constant | None = None
    message_received: Constant | None = None
    accumulate: Constant | None = None
    accumulate_shared: Constant | None = None
    memory_read: Constant | None = None
    link_message: Constant | None = None
    barrier: Constant | None = None
    synchronisation: ByTiles | None = None


class HardwareProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chip: cores with ``limits`` and ``encoding``, or ``layer_cores``; with neither, a price list of operations.

    ``name`` and ``description`` stand in reports. ``neurons``: what its neurons do not do; ``formats``: what registers
    and synapses hold; ``energy`` in J an operation; ``latency`` in s. What is not published is None.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[\w.+-][\w.+ -]{0,63}\Z")]
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    limits: Limits | None = None
    encoding: Encoding | None = None
    layer_cores: LayerCores | None = None
    neurons: Neurons = Neurons()
    formats: Formats = Formats()
    energy: Energy
    latency: Latency = Latency()


UNITS = {
    **dict.fromkeys(("synaptic_memory", "core_memory", "neuron_state", "input_axon_entry"), "B"),
    **dict.fromkeys(("word", "list_header", "index", "index_least", "weight", "delay_bits", "one_sign"), "bit"),
    **dict.fromkeys(("cores_per_chip", "neurons", "input_axons", "output_axons", "list_block"), "1"),
    **dict.fromkeys(("threshold_registers", "decay_registers", "synapse_registers", "population_axon_slots"), "1"),
    **dict.fromkeys(("channels", "side", "kernel_side", "destinations", "kernel_words", "neuron_words"), "1"),
    **dict.fromkeys(("accumulator", "current", "current_with_bias", "potential"), "bit"),
    **dict.fromkeys(("threshold", "bias_mantissa", "bias_exponent", "decay_current", "decay_potential"), "1"),
    **dict.fromkeys(("weight_exponent", "refractory", "delay"), "1"),
    "static_power": "W",
}
"""The unit of a constant; energies are in J and times in s."""
TABLES = {"limits": None, "encoding": None, "layer_cores": None, "formats": None, "energy": "J", "latency": "s"}
LARGEST = {"J": 1.0, "s": 3600.0, "W": 1e6, "1": 2**31 - 1, "B": 2**31 - 1, "bit": 2**16}
"""The largest value of each unit: of one operation, or of one core."""
WHOLE = ("1", "B", "bit")
POSITIVE = (
    *("cores_per_chip", "neurons", "synaptic_memory", "word", "list_block", "weight"),
    *("threshold_registers", "decay_registers", "synapse_registers", "population_axon_slots"),
    *("kernel_words", "neuron_words"),
)
"""What one divides by, or cannot do without."""


def profile_names() -> list[str]:
    """Return the profiles that come with spikeport: the files of the folder."""
    return sorted(path.stem for path in PROFILE_DIR.glob("*.toml"))


def load_profile(name: str | Path) -> HardwareProfile:
    """Read a profile by name, or a user's own by the path of its TOML file.

    `ProfileError` names the file, the table and the key, what stands there and what was expected.
    """
    own = str(name).endswith(".toml")
    path = Path(name) if own else PROFILE_DIR / f"{name}.toml"
    if not (_exists(path) if own else str(name) in profile_names()):
        raise ProfileError(f"no profile {str(name)!r}; there are {', '.join(profile_names())}, or give a .toml file")
    profile = read_table(path, HardwareProfile, ProfileError)
    _check(profile, path)
    return profile


def load_profiles(profiles: Sequence[str | Path | HardwareProfile]) -> list[HardwareProfile]:
    """Read profiles, at least one and each of another name; those that are loaded stay as they are."""
    if isinstance(profiles, str):
        raise ProfileError(f"profiles is the text {profiles!r}; expected a sequence of names")
    loaded = [each if isinstance(each, HardwareProfile) else load_profile(each) for each in profiles]
    names = [profile.name for profile in loaded]
    if not names:
        raise ProfileError(f"no profile given; expected at least one of {', '.join(profile_names())}")
    if len(set(names)) != len(names):
        given = ", ".join(each.name if isinstance(each, HardwareProfile) else str(each) for each in profiles)
        raise ProfileError(f"two of the profiles {given} are called {max(names, key=names.count)!r}; rename one")
    return loaded


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def constants(profile: HardwareProfile) -> dict[str, Constant]:
    """Return every constant of a profile as 'table.key'."""
    return {key: value for key, value in _entries(profile).items() if isinstance(value, Constant)}


def sizes(profile: HardwareProfile) -> dict[str, Sizes]:
    """Return the numbers that differ from core to core, as 'table.key'."""
    return {key: value for key, value in _entries(profile).items() if isinstance(value, Sizes)}


def by_tiles(profile: HardwareProfile) -> dict[str, ByTiles]:
    """Return the numbers that grow with the tiles in use, as 'table.key'."""
    return {key: value for key, value in _entries(profile).items() if isinstance(value, ByTiles)}


def spans(profile: HardwareProfile) -> dict[str, Span]:
    """Return the ranges of registers, as 'table.key'."""
    return {key: value for key, value in _entries(profile).items() if isinstance(value, Span)}


def options(profile: HardwareProfile) -> dict[str, Lists | Sharing | SignModes | Included]:
    """Return what a profile says by name, as 'table.key'."""
    kinds = Lists | Sharing | SignModes | Included
    return {key: value for key, value in _entries(profile).items() if isinstance(value, kinds)}


def _entries(profile: HardwareProfile) -> dict[str, Any]:
    tables = {name: getattr(profile, name) for name in TABLES}
    return {
        f"{name}.{key}": value
        for name, table in tables.items()
        if table is not None
        for key, value in msgspec.structs.asdict(table).items()
    }


def _check(profile: HardwareProfile, path: Path) -> None:
    if (profile.limits is None) != (profile.encoding is None):
        raise ProfileError(f"{path}: has one of the tables [limits] and [encoding]; expected both or neither")
    if profile.limits is not None and profile.layer_cores is not None:
        raise ProfileError(f"{path}: has the tables [limits] and [layer_cores]; expected one of them")
    lengths = {len(each.value) for each in sizes(profile).values()}
    if len(lengths) > 1:
        raise ProfileError(f"{path}: [layer_cores] lists {sorted(lengths)} cores; expected as many sizes of each kind")
    for key, constant in constants(profile).items():
        _check_number(f"{path}: [{key}]", key, constant.unit, (constant.value,))
    for key, each in sizes(profile).items():
        _check_number(f"{path}: [{key}]", key, each.unit, each.value)
    for key, steps in by_tiles(profile).items():
        _check_number(f"{path}: [{key}]", key, steps.unit, steps.value)
        if len(steps.tiles) != len(steps.value) or steps.tiles != (
            1,
            *sorted({each for each in steps.tiles if each > 1}),
        ):
            raise ProfileError(
                f"{path}: [{key}] has tiles {list(steps.tiles)}; expected 1 first, then more and more, "
                "each with its value"
            )
    for key, span in spans(profile).items():
        _check_span(f"{path}: [{key}]", span)


def _check_span(where: str, span: Span) -> None:
    if span.unit != "1":
        raise ProfileError(f"{where} has unit {span.unit!r}; expected '1'")
    least, most = span.value
    if not -LARGEST["1"] <= least <= most <= LARGEST["1"]:
        raise ProfileError(
            f"{where} is {least:,} to {most:,}; expected the smallest and the largest value, up to {LARGEST['1']:,.0f}"
        )


def _check_number(where: str, key: str, unit: str, values: tuple[float, ...]) -> None:
    table, name = key.split(".")
    expected = UNITS.get(name) or TABLES[table]
    assert expected is not None
    if unit != expected:
        raise ProfileError(f"{where} has unit {unit!r}; expected {expected!r}")
    whole, least, most = expected in WHOLE, int(name in POSITIVE), LARGEST[expected]
    for value in values:
        if not least <= value <= most or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise ProfileError(f"{where} is {value:g}; expected {kind} from {least} to {most:,}")
