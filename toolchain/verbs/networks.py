"""Networks from file to file: read, write, import from other frameworks, quantize, export."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from spikeport.export import archive
from spikeport.export.bounds import proof_sentence, unproven
from spikeport.export.errors import FormatError, NetworkError, QuantizationError, StimulusError
from spikeport.export.formats import note, writer, written_by
from spikeport.export.input_as import taking
from spikeport.export.inputs import ending
from spikeport.export.lost_bits import lost_bits
from spikeport.export.network import FloatNetwork, IntegerNetwork, Network, Source
from spikeport.export.numbers import LEVELS, whole
from spikeport.export.passes import folded
from spikeport.export.progress import waiting
from spikeport.export.shown import Shown
from spikeport.export.stimulus import InputSettings, Intake
from spikeport.export.stimulus.settings import BIAS
from spikeport.export.target_rules import Examined
from spikeport.export.targets import Target, common
from spikeport.hardware_profiles.chip_formats import AnyProfile, profiles_of, target_of
from spikeport.hardware_profiles.chips import chip_verdict
from spikeport.hardware_profiles.profile import HardwareProfile
from spikeport.toolchain.verbs.calibrated import Told, told
from spikeport.toolchain.verbs.exported import Exported
from spikeport.toolchain.verbs.quantized import Quantized
from spikeport.toolchain.verbs.sources import (
    AnyInput,
    AnyPath,
    any_network,
    check_not_input,
    float_network,
    images_and_labels,
    integer_network,
    names_file,
    size_of,
    wrote,
)

Kind = TypeVar("Kind", FloatNetwork, IntegerNetwork)


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """What files of other frameworks do not say; None leaves it to the dialect or the file.

    ``dialect``: for NIR a framework, 'snntorch', 'norse', 'spikingjelly', 'sinabs', 'rockpool', 'spyx', 'lava-dl', or
    'nir', or 'auto' (what 'spikeport identify' left beside the file, else the only framework that can have written it;
    ``guess``: the likeliest); for .net files 'auto' and 'lava' (netx in Lava), 'slayer' (lava-dl 0.4.0 and newer) or
    'slayer-0.3' (older: fires where v >= threshold). ``dt``: length of a step in the file's unit of time. ``reset``:
    'hard', 'subtract', 'late', 'settle', 'pause' or 'none' (`spikeport.export.nir_import.dialect.RESETS` says what
    each does). ``most``: spikes per step at most, or 'any'. ``floor``: the least potential (sinabs: min_v_mem), a
    number, 'threshold' for minus each neuron's own, or 'none'. ``v_reset``: what a spike sets the potential to, where
    the file does not say. ``tau_syn``: time constant, in steps, of a synaptic current that the file does not hold
    (sinabs). ``normalized``: kinds of neuron whose input counts 1 - decay (sinabs: norm_input=True), 'LIF', 'LI',
    'LIF,LI' or 'none'. ``rules``: other fields of `spikeport.export.nir_import.dialect.Dialect` by name. ``steps``:
    steps per sample, T. ``levels``: the input is 0..levels (1: spikes, 255: grey levels). ``unit``: what a level
    stands for, 1 / levels if None; counts of events have unit 1. ``output``: the Output node of a NIR file that has
    several.
    """

    dialect: str = "auto"
    guess: bool = False
    dt: float | None = None
    reset: str | None = None
    most: int | str | None = None
    floor: float | str | None = None
    v_reset: float | str | None = None
    tau_syn: float | str | None = None
    normalized: str | bool | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    levels: int | None = None
    output: str | None = None
    unit: float | None = None

    def given(self) -> list[str]:
        """Return the names of the settings that differ from their defaults."""
        return [name for name, value in asdict(self).items() if value != asdict(ImportSettings())[name]]

    def changes(self) -> dict[str, Any]:
        """Return what overrides the dialect's rules."""
        named = ("dt", "reset", "most", "floor", "v_reset", "tau_syn", "normalized")
        return {name: value for name, value in vars(self).items() if name in named and value is not None} | dict(
            self.rules
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported(Shown, Generic[Kind]):
    """A network of another framework, and what was taken for granted about its file."""

    network: Kind
    assumptions: tuple[str, ...]
    out: Path | None = None

    def text(self) -> str:
        """Return how the file was understood and what the network is."""
        network = self.network
        sizes = f"{len(network.populations)} populations, {len(network.projections)} projections"
        return "\n".join(
            [*self.assumptions, f"{network.kind} network, {network.steps} steps a sample, {sizes}", *wrote(self.out)]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the digest of the network and the assumptions."""
        network = self.network
        return {
            "digest": archive.digest(network),
            "kind": network.kind,
            "steps": network.steps,
            "populations": {population.name: list(population.shape) for population in network.populations},
            "assumptions": list(self.assumptions),
        }


@dataclass(frozen=True, kw_only=True)
class QuantizeSettings:
    """``weight_bits``: 2 to 8, with the sign. ``source``: what the file of another framework does not say."""

    weight_bits: int = 8
    source: ImportSettings = field(default_factory=ImportSettings)


@names_file
def read_network(path: AnyPath) -> Network:
    """Read the archive (.safetensors) at ``path``: a `FloatNetwork` or an `IntegerNetwork`.

    Raises `ArchiveError` where the file is missing, damaged or something else.
    """
    return any_network(path)


def write_network(network: Network, path: AnyPath) -> None:
    """Write ``network`` as an archive to ``path``, whole or not at all; equal networks give equal bytes.

    Raises `OutputError` where the file cannot be written.
    """
    archive.write(network, Path(path))


def opened(path: AnyPath, settings: ImportSettings, *, out: AnyPath | None = None) -> tuple[Network, tuple[str, ...]]:
    """Return the network of an archive, of a NIR or of a .net file, and what was taken for granted about the latter.

    ``out`` is what will be written; it must be another file.
    """
    check_not_input(out, path)
    if Path(path).suffix in (".nir", ".net"):
        imported = import_network(path, settings=settings)
        return imported.network, imported.assumptions
    if settings.given():
        raise FormatError(f"{settings.given()[0]!r} is for .nir and .net files; an archive says it itself")
    return any_network(path), ()


@names_file
def import_nir(
    path: AnyPath, *, settings: ImportSettings | None = None, out: AnyPath | None = None
) -> Imported[FloatNetwork]:
    """Read the NIR file at ``path``, of any framework, as a `FloatNetwork` with that framework's own spikes.

    ``out``: an archive to write. Raises `FormatError` with the file, the node and what is missing: NIR does not say how
    many steps a sample takes (``settings.steps``), nor in which dialect its numbers are meant.
    """
    from spikeport.export.nir_import.graph import read

    check_not_input(out, path)
    chosen = settings or ImportSettings()
    network, dialect = read(
        Path(path),
        dialect=chosen.dialect,
        guess=chosen.guess,
        steps=chosen.steps,
        levels=chosen.levels,
        output=chosen.output,
        unit=chosen.unit,
        **chosen.changes(),
    )
    return _imported(network, (f"read {path} as {dialect.sentence()}", *dialect.notes), out)


@names_file
def import_netx(
    path: AnyPath, *, settings: ImportSettings | None = None, out: AnyPath | None = None
) -> Imported[IntegerNetwork]:
    """Read lava-dl's .net file at ``path`` as an `IntegerNetwork`; ``out``: an archive to write.

    ``settings``: the steps of a sample, the dialect (a key of `DIALECTS`), levels and unit of the input; others are
    refused.
    Raises `FormatError` with the layer and the key that cannot be taken over.
    """
    from spikeport.export.formats.netx import read_and_left_out
    from spikeport.export.netx_reader import DIALECTS

    check_not_input(out, path)
    chosen = settings or ImportSettings()
    useless = [name for name in chosen.given() if name not in ("dialect", "steps", "levels", "unit")]
    if useless or chosen.dialect not in ("auto", *DIALECTS):
        wrong = f"the setting {useless[0]!r}" if useless else f"the dialect {chosen.dialect!r}"
        raise FormatError(f"{path}: a .net file does not take {wrong}; dialects are auto (lava), {', '.join(DIALECTS)}")
    dialect = "lava" if chosen.dialect == "auto" else chosen.dialect
    network, left_out = read_and_left_out(Path(path), steps=chosen.steps, dialect=dialect, levels=chosen.levels)
    rule = f"fires at v {'>=' if DIALECTS[dialect].inclusive else '>'} threshold"
    network = network if chosen.unit is None else with_source(network, replace(source_of(network), unit=chosen.unit))
    return _imported(network, (f"read {path} as {dialect}: {rule}", *left_out), out)


@names_file
def import_network(
    path: AnyPath, *, settings: ImportSettings | None = None, out: AnyPath | None = None
) -> Imported[Any]:
    """Read a .nir file (`import_nir`) or a .net file (`import_netx`)."""
    suffix = Path(path).suffix
    readers: Mapping[str, Callable[..., Imported[Any]]] = {".nir": import_nir, ".net": import_netx}
    if suffix in readers:
        with waiting(f"reading {path}"):
            return readers[suffix](path, settings=settings, out=out)
    archived = suffix == ".safetensors"
    found = "is an archive already, which every verb takes" if archived else ending(Path(path))
    raise FormatError(f"{path}: {found}; expected '.nir' or '.net' (ReLU networks, .onnx or .pt2: 'spikeport convert')")


@names_file
def quantize(
    network: FloatNetwork | AnyPath,
    *,
    calibration: AnyInput | None = None,
    settings: QuantizeSettings | None = None,
    target: AnyProfile | Sequence[AnyProfile] = (),
    out: AnyPath | None = None,
    reading: InputSettings | None = None,
) -> Quantized:
    """Turn a float network into integers, with bounds of every register (`spikeport.export.quantize`).

    ``network``: an object, an archive, a NIR file, or a .net file, which holds integers already. ``calibration``
    images choose the scales (`spikeport.export.scale_search`); without them the largest weight does. ``settings``:
    weight bits, and what a file of another framework does not say; levels and unit of the input for archives, too.
    ``target``: a chip, or several, whose formats the integers keep to: profiles, names or .toml files; without, Lava's
    arithmetic, the widest that either Loihi is known to hold. ``out``: an archive to write. ``reading``: the unit of
    the images' numbers, and how events become steps. Steps and levels that neither file nor settings say are taken from
    calibration samples that show them (`spikeport.toolchain.verbs.calibrated`). Raises `QuantizationError` with the
    population, the rule, by how much it is broken, and the way out, where no integers fit the formats.
    """
    chosen, chips = settings or QuantizeSettings(), profiles_of(target)
    formats = common([target_of(chip) for chip in chips])
    check_not_input(out, network, calibration)
    if isinstance(network, Path | str) and Path(network).suffix == ".net" and chosen.weight_bits != 8:
        raise FormatError(
            f"{network}: weight bits are {chosen.weight_bits}; the weights of a .net file are integers already"
        )
    assumptions: tuple[str, ...] = ()
    source: Network
    if isinstance(network, Path | str) and Path(network).suffix in (".nir", ".net"):
        source, assumptions = _others(network, chosen, calibration, reading)
    else:
        useless = [name for name in chosen.source.given() if name not in ("levels", "unit")]
        if useless:
            raise FormatError(f"{useless[0]!r} is for .nir and .net files; an archive says it itself")
        source = float_network(network)
        shown, assumptions = _calibrated(source, chosen.source, calibration, reading)
        source = _told(source, shown)
    source = _spiking(source, reading)
    try:
        with waiting("folding the synapses between populations"):
            source = folded(source) if isinstance(source, FloatNetwork) else source
        result = _in_formats(_quantized(source, calibration, chosen, formats, reading), chips, formats)
        warnings: tuple[str, ...] = ()
        if isinstance(source, FloatNetwork):
            warnings = lost_bits(source, result.network, chosen.weight_bits)
    except (NetworkError, QuantizationError) as error:
        raise type(error)(f"{network}: {error}" if isinstance(network, Path | str) else str(error)) from None
    if out is not None:
        archive.write(result.network, Path(out))
    where = None if out is None else Path(out)
    return replace(result, assumptions=assumptions, warnings=warnings, out=where)


def _others(
    path: AnyPath, settings: QuantizeSettings, calibration: AnyInput | None, reading: InputSettings | None
) -> tuple[Network, tuple[str, ...]]:
    """Return the network of a .nir or .net file: its integers, where a .nir file of ours is to be taken as it is."""
    from spikeport.export.nir_import.own import integers

    if Path(path).suffix == ".nir" and settings == QuantizeSettings() and calibration is None:
        own = integers(Path(path))
        if own is not None:
            return own, (f"read {path}: the integers that spikeport wrote",)
    source, notes = _calibrated(path, settings.source, calibration, reading)
    imported = import_network(path, settings=source)
    return imported.network, (*imported.assumptions, *notes)


def _calibrated(
    network: Network | AnyPath, settings: ImportSettings, calibration: AnyInput | None, reading: InputSettings | None
) -> tuple[ImportSettings, tuple[str, ...]]:
    """Return the settings with the steps and levels that calibration samples show, and what was taken from them."""

    def read(steps: int | None) -> Network:
        if not isinstance(network, Path | str):
            return network
        return import_network(network, settings=replace(settings, steps=steps)).network  # type: ignore[no-any-return]

    given = Told(steps=settings.steps, levels=settings.levels, unit=settings.unit)
    found = told(given, read, calibration, reading)
    return replace(settings, steps=found.steps, levels=found.levels, unit=found.unit), found.notes


def _told(network: FloatNetwork, settings: ImportSettings) -> FloatNetwork:
    """Return a network whose input has other levels or another unit, where they are given."""
    if settings.levels is None and settings.unit is None:
        return network
    levels = settings.levels or source_of(network).levels
    whole(levels, "levels", LEVELS)
    return with_source(network, Source(levels=levels, unit=1 / levels if settings.unit is None else settings.unit))


def _spiking(network: Network, reading: InputSettings | None) -> Network:
    """Return a network that takes the spikes of the encoder that was asked for."""
    if reading is not None and reading.input_as == BIAS:
        raise StimulusError(
            "integers are the same whether their input comes as biases or not; expected 'bias' where they are used: "
            "simulate, check, report or export them with --input-as bias"
        )
    return network if reading is None else taking(network, reading.input_as)


def _quantized(
    network: Network,
    calibration: AnyInput | None,
    settings: QuantizeSettings,
    formats: Target,
    reading: InputSettings | None,
) -> tuple[IntegerNetwork, dict[str, float]]:
    """Return the integers, and the clips that calibration images chose."""
    from spikeport.export.quantize import quantize as quantized
    from spikeport.export.scale_search import search

    if isinstance(network, IntegerNetwork):
        return network, {}
    if calibration is None:
        with waiting("quantizing"):
            return quantized(network, weight_bits=settings.weight_bits, target=formats), {}
    images = images_and_labels(calibration, replace(Intake.of(network), real=False), reading)[0]
    return search(network, images, weight_bits=settings.weight_bits, target=formats)


def _in_formats(
    made: tuple[IntegerNetwork, dict[str, float]], chips: Sequence[HardwareProfile], formats: Target
) -> Quantized:
    """Return a network with the proof computed anew, in the formats of the chips."""
    network, clips = made
    with waiting("proving the ranges of the registers"):
        left, examined = unproven(network, formats), Examined(network)
    proof = proof_sentence(network, left, target=formats)
    verdicts = tuple(chip_verdict(examined, chip, asked=True) for chip in chips)
    return Quantized(network=network, proven=not left, proof=proof, clips=clips, chips=verdicts)


@names_file
def export_network(network: Network | AnyPath, out: AnyPath, *, to: str, input_as: str | None = None) -> Exported:
    """Write ``network`` to ``out`` in another format; ``to`` is one of `format_names`.

    ``nir``: its integers exactly; ``nir-portable``: for snnTorch, Norse and SpikingJelly; ``onnx``: one stateful
    integer model; ``netx``: lava-dl's HDF5; ``lava-job``: a folder that runs in Lava elsewhere; ``loihi1``: the
    registers of Loihi 1; ``onnx-float`` and ``nir-float``: a float network; ``archive``: spikeport's own file.
    ``input_as``: 'bias' for the network whose input the host writes as biases (`spikeport.export.bias_form`), which
    ``archive``, ``onnx``, ``lava-job`` and ``loihi1`` hold. Raises `FormatError` where the format cannot say the
    network; then nothing is written.
    """
    check_not_input(out, network, folder=True)
    kinds = written_by(to)
    if FloatNetwork not in kinds:
        network = integer_network(network)
    elif IntegerNetwork not in kinds:
        network = float_network(network)
    written = taking(any_network(network), input_as)
    with waiting(f"writing {out}"):
        writer(to, type(written))(written, Path(out))
    return Exported(out=Path(out), format=to, bytes=size_of(Path(out)), note=note(to))


def source_of(network: Network) -> Source:
    """Return the input of a network."""
    return Intake.of(network).source


def with_source(network: Kind, source: Source) -> Kind:
    """Return a network with another encoding of its input."""
    populations = [replace(p, neuron=source) if p is network.source else p for p in network.populations]
    return replace(network, populations=tuple(populations))


def _imported(network: Kind, assumptions: tuple[str, ...], out: AnyPath | None) -> Imported[Kind]:
    if out is not None:
        archive.write(network, Path(out))
    return Imported(network=network, assumptions=assumptions, out=None if out is None else Path(out))
