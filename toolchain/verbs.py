"""What a user can do, each as one function; `spikeport.toolchain.cli` gives each the same name and arguments.

A function returns an `Outcome`: ``value`` for programs, ``text`` for people, ``failed`` where the verdict is bad.
Bad input raises `spikeport.export.errors.SpikeportError`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from spikeport.export import archive, bounds, fidelity
from spikeport.export.errors import ExecutorError
from spikeport.export.executors import executor as find_executor
from spikeport.export.files import atomic, write_text
from spikeport.export.formats import FLOAT_FORMATS, writer
from spikeport.export.junit import to_xml
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, Network
from spikeport.export.passes import folded
from spikeport.export.progress import QUIET_SECONDS, announce
from spikeport.export.stimulus import random_stimulus, read

if TYPE_CHECKING:
    from spikeport.toolchain.config import Recipe

Value = TypeVar("Value")
AnyPath = Path | str


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Value]):
    """A result, what to print of it, and whether it is a failure (exit code 1)."""

    value: Value
    text: str
    failed: bool = False


def demo(out: AnyPath = Path("demo"), *, fast: bool = False) -> Outcome[dict[str, Any]]:
    """Take the embedded digits through every stage; ``fast`` trains one epoch a stage on 40 held-out images."""
    from spikeport.toolchain.config import embedded

    return _run(embedded("digits_fast" if fast else "digits"), Path(out), None, None)


def run(
    recipe: AnyPath, out: AnyPath = Path("run"), *, from_: str | None = None, to: str | None = None
) -> Outcome[dict[str, Any]]:
    """Run a recipe's stages, all of them or those ``from_`` one ``to`` another, in the folder ``out``."""
    from spikeport.toolchain.config import read_recipe

    return _run(read_recipe(Path(recipe)), Path(out), from_, to)


def import_network(
    network: AnyPath,
    out: AnyPath,
    *,
    dialect: str = "auto",
    dt: float | None = None,
    reset: str | None = None,
    most: int | None = None,
    steps: int | None = None,
    levels: int | None = None,
) -> Outcome[Network]:
    """Read a NIR file of any framework, or a .net file of lava-dl, and write it as the archive ``out``.

    The arguments are what those files do not say, see `quantize`. The archive of a NIR file is a float network with the
    file's own spikes: `simulate` runs it, `export` writes it as float ONNX, `quantize` turns it into integers.
    """
    options = {"dialect": dialect, "dt": dt, "reset": reset, "most": most, "steps": steps, "levels": levels}
    loaded, lines = _loaded(Path(network), options)
    archive.write(loaded, Path(out))
    lines.append(f"wrote {out} ({Path(out).stat().st_size:,} bytes), {loaded.kind}, {loaded.steps} steps a sample")
    return Outcome(value=loaded, text="\n".join(lines))


def quantize(
    network: AnyPath,
    out: AnyPath,
    *,
    weight_bits: int = 8,
    calibration: AnyPath | None = None,
    dialect: str = "auto",
    dt: float | None = None,
    reset: str | None = None,
    most: int | None = None,
    steps: int | None = None,
    levels: int | None = None,
) -> Outcome[IntegerNetwork]:
    """Turn a float network into Loihi integers with their proof, and write the archive ``out``.

    ``calibration`` images choose the scales (`spikeport.export.scale_search`); without, the largest weight does.
    ``network`` is an archive, a NIR file of any framework, or a .net file of lava-dl, which holds integers already. The
    other arguments are what those files do not say: the ``dialect`` ('auto' guesses it; 'slayer' for .net files whose
    neurons fire at v == threshold), its ``dt``, ``reset`` and ``most`` spikes a step; the ``steps`` of a sample; the
    ``levels`` of the input (1: spikes, 255: pixels).
    """
    from spikeport.export.quantize import quantize as quantized

    options = {"dialect": dialect, "dt": dt, "reset": reset, "most": most, "steps": steps, "levels": levels}
    out, (loaded, lines) = Path(out), _loaded(Path(network), options)
    if isinstance(loaded, IntegerNetwork):
        integer = loaded
    elif calibration is not None:
        from spikeport.export.scale_search import search

        loaded = folded(loaded)
        integer, clips = search(loaded, read(Path(calibration), loaded)[0], weight_bits=weight_bits)
        lines.append(f"weights cut at {', '.join(f'{name} {clip:g}' for name, clip in clips.items())} of the largest")
    else:
        integer = quantized(folded(loaded), weight_bits=weight_bits)
    archive.write(integer, out)
    lines += [f"wrote {out} ({out.stat().st_size:,} bytes); no register can wrap or saturate:"]
    for name, bound in integer.bounds.items():
        lines.append(f"  {name}: u in {bound.u_min:,}..{bound.u_max:,}, v in {bound.v_min:,}..{bound.v_max:,}")
    return Outcome(value=integer, text="\n".join(lines))


def export(network: AnyPath, out: AnyPath, *, to: str) -> Outcome[Path]:
    """Write the network of an archive in another format.

    ``nir``: its integers exactly; ``nir-portable``: for snnTorch, Norse and SpikingJelly; ``onnx``: one stateful
    integer model; ``netx``: lava-dl's HDF5; ``lava-job``: a folder that runs in Lava elsewhere. ``onnx-float``
    takes the archive of a float network.
    """
    out, write = Path(out), writer(to)
    write((archive.read_float if to in FLOAT_FORMATS else archive.read_integer)(Path(network)), out)
    size = sum(path.stat().st_size for path in (out.rglob("*") if out.is_dir() else [out]))
    return Outcome(value=out, text=f"wrote {out} ({size:,} bytes)")


def simulate(
    network: AnyPath,
    input: AnyPath,
    *,
    executor: str | None = None,
    out: AnyPath | None = None,
    count: bool = False,
    resume: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
) -> Outcome[Array]:
    """Run an archive on images and return the class per image; ``out`` keeps classes and scores as .npz.

    Integer networks run in the fast executor unless ``executor`` says otherwise, float ones in the float executor.
    ``count`` adds the synaptic operations of every projection. Finished parts of an interrupted run lie beside ``out``;
    ``resume`` uses them. ``workers`` beyond one are processes of a local Dask cluster; ``scheduler`` is the address of
    one that exists.
    """
    from spikeport.export import simulation

    loaded, kept = archive.read(Path(network)), None
    real = isinstance(loaded, FloatNetwork)
    name = executor or ("floating" if real else "fast")
    find_executor(name, real=real)
    driven, labels = read(Path(input), loaded)
    if out is not None:
        if not Path(out).name or Path(out).is_dir():
            raise ExecutorError(f"{out} is a folder; expected the name of a file to write")
        kept = Path(out).with_name(f"{Path(out).name}.parts")
    elif resume:
        raise ExecutorError("--resume needs --out: finished parts lie beside it")
    cluster = simulation.Cluster(address=scheduler, workers=workers) if scheduler or workers > 1 else None
    here = cluster is None and not resume and len(driven) > simulation.PART
    if here and name == "fast" and isinstance(loaded, IntegerNetwork):
        expected = simulation.estimate(loaded, driven, count=count)
        if expected.seconds > QUIET_SECONDS:
            announce(expected.sentence(len(driven)))
    found = simulation.simulate(loaded, driven, executor=name, count=count, cluster=cluster, kept=kept, resume=resume)
    classes = found.scores.argmax(1)
    if out is not None:
        with atomic(Path(out)) as draft, draft.open("wb") as file:
            np.savez_compressed(file, classes=classes, scores=found.scores)
    found.discard()
    text = f"{len(classes)} images, {name}: classes {' '.join(map(str, classes[:20]))}"
    text += " ..." if len(classes) > 20 else ""
    if labels is not None:
        text += f"\naccuracy {100 * float((classes == labels).mean()):.1f} %"
    if found.operations is not None and isinstance(loaded, IntegerNetwork):
        text += f"\n\n{_operations(loaded, found.operations, len(classes))}"
    return Outcome(value=classes, text=text)


def _operations(network: IntegerNetwork, operations: Array, images: int) -> str:
    from spikeport.hardware_profiles.report.text import table

    pairs = zip(network.projections, operations, strict=True)
    rows = [(network.label(projection), f"{n:,}", f"{n / images:,.0f}") for projection, n in pairs]
    return table(("synaptic operations", "all images", "per image"), rows)


def check(
    network: AnyPath,
    *,
    input: AnyPath | None = None,
    random: int = 20,
    executors: str = "lava,onnx,nir",
    max_mismatches: int = 0,
    seed: int = 0,
    unproven: bool = False,
    junit: AnyPath | None = None,
    json: AnyPath | None = None,
) -> Outcome[dict[str, Any]]:
    """Compare executors with the fast one, every neuron and step, on ``input`` or on ``random`` samples.

    Fails where more than ``max_mismatches`` neuron steps differ, or where a register could overflow (not ``unproven``).
    ``junit`` and ``json`` are files for the verdict.
    """
    from json import dumps

    loaded = archive.read_integer(Path(network))
    driven = read(Path(input), loaded)[0] if input is not None else random_stimulus(loaded, random, seed)
    names = [name.strip() for name in executors.split(",") if name.strip()]
    for name in names:
        find_executor(name)
    found, _ = fidelity.check(loaded, driven, names)
    summaries = {name: fidelity.summary(each) for name, each in found.items()}
    proven = bounds.is_safe(loaded)
    wrong = sum(each.mismatches for each in found.values())
    value = {"network": archive.digest(loaded), "proven": proven, "mismatches": wrong, "fidelity": summaries}
    if junit is not None:
        write_text(Path(junit), to_xml(found, network=Path(network).name, proven=proven))
    if json is not None:
        write_text(Path(json), dumps(value, indent=1) + "\n")
    text = "\n\n".join([*map(_verdict, found.values()), _conclusion(wrong, max_mismatches, proven=proven)])
    return Outcome(value=value, text=text, failed=wrong > max_mismatches or not (proven or unproven))


def report(
    network: AnyPath,
    input: AnyPath,
    *,
    profile: tuple[str, ...] = ("loihi1", "loihi2"),
    relative_to: AnyPath | None = None,
    out: AnyPath = Path("report"),
) -> Outcome[dict[str, Any]]:
    """Count operations, place the network on every ``profile``, price it, and write report.json and report.html.

    ``relative_to`` is the archive of a network of the same shape, the dense one for instance: its spikes and energy on
    the same images stand beside. Fails where the ways of counting differ.
    """
    from spikeport.hardware_profiles.report import build, text

    loaded, out = archive.read_integer(Path(network)), Path(out)
    base = None if relative_to is None else archive.read_integer(Path(relative_to))
    document = build.costs(loaded, read(Path(input), loaded)[0], list(profile), relative_to=base)
    build.write(document, out)
    found = document["validation"]
    differs = found["formula"] != found["simulated"] or found["events"]["difference"] != 0
    sentence = f"wrote {out}/report.html and {out}/report.json"
    return Outcome(value=document, text=f"{text.render(document)}\n\n{sentence}", failed=differs)


def what_if(
    network: AnyPath,
    input: AnyPath,
    *,
    profile: tuple[str, ...] = ("loihi1", "loihi2"),
    steps: tuple[int, ...] = (),
    sparsity: tuple[float, ...] = (),
    encoding: tuple[str, ...] = (),
) -> Outcome[list[dict[str, Any]]]:
    """Say what a trained network would cost with other ``steps``, ``sparsity``, ``profile`` or ``encoding``.

    Every row is run, counted in every mode and placed with every strategy; smallest weights are cut first and nothing
    is trained again, so accuracy is not claimed.
    """
    from spikeport.hardware_profiles import what_if as table_of

    loaded = archive.read_integer(Path(network))
    rows = table_of.table(
        loaded, read(Path(input), loaded)[0], profiles=profile, steps=steps, sparsities=sparsity, encodings=encoding
    )
    return Outcome(value=rows, text=table_of.render(rows))


def profiles() -> Outcome[list[str]]:
    """List the hardware profiles."""
    from spikeport.hardware_profiles.profile import load_profile, profile_names

    names = profile_names()
    return Outcome(value=names, text="\n".join(f"{name}: {load_profile(name).description}" for name in names))


def profiles_show(name: str, *, rules: bool = False) -> Outcome[Any]:
    """Print every constant of a profile with unit, evidence class and source, or the ``rules`` of its cores."""
    from spikeport.hardware_profiles import layer_placement
    from spikeport.hardware_profiles.limits import RULES, sentence
    from spikeport.hardware_profiles.profile import constants, load_profile, options, sizes
    from spikeport.hardware_profiles.report.text import table

    profile = load_profile(name)
    if rules:
        limits = [(rule, getattr(profile.limits, rule.__name__)) for rule in RULES] if profile.limits else []
        lines = [f"{limit.value:,.0f} {rule.__name__}: {sentence(rule)}" for rule, limit in limits if limit]
        if profile.layer_cores is not None:
            given = {rule: getattr(profile.layer_cores, rule.__name__, None) for rule in layer_placement.RULES}
            most = {rule: np.max(limit.value) for rule, limit in given.items() if limit is not None}
            lines = [f"{f'{most[r]:,.0f} ' if r in most else ''}{r.__name__}: {r.__doc__}" for r in given]
        text = "\n".join(lines) or f"{profile.name} has no cores and no rules: it prices operations only"
        return Outcome(value=profile, text=text)
    rows = [(key, f"{c.value:g}", c.unit, c.evidence, c.source) for key, c in constants(profile).items()]
    rows += [(k, " ".join(f"{v:g}" for v in s.value), s.unit, s.evidence, s.source) for k, s in sizes(profile).items()]
    named = {key: o.value if isinstance(o.value, str) else ", ".join(o.value) for key, o in options(profile).items()}
    rows += [(key, named[key], "", o.evidence, o.source) for key, o in options(profile).items()]
    printed = table(("constant", "value", "unit", "class", "source"), rows, left=(0, 2, 3, 4))
    return Outcome(value=profile, text=f"{profile.name}: {profile.description}\n\n{printed}")


def lava_install(*, netx: bool = False, force: bool = False) -> Outcome[Path]:
    """Make the Python 3.10 environment for Lava; ``netx`` adds lava-dl (5.6 GB), ``force`` makes it anew."""
    from spikeport.export.lava import environment

    home = environment.install(netx=netx, force=force)
    return Outcome(value=home, text=f"Lava is ready in {home}")


def lava_doctor() -> Outcome[dict[str, str]]:
    """Examine the Lava environment: interpreter, environment, and a small network against the reference."""
    from spikeport.export.lava import doctor

    findings = doctor.examine()
    text = "\n".join(f"{'ok ' if ok else 'BAD'}  {what}: {found}" for what, ok, found in findings)
    values = {what: found for what, _, found in findings}
    return Outcome(value=values, text=text, failed=not all(ok for _, ok, _ in findings))


def _loaded(path: Path, options: dict[str, Any]) -> tuple[Network, list[str]]:
    """Return the network of an archive, a NIR file or a .net file, and what was taken for granted."""
    dialect, steps, levels = (options[name] for name in ("dialect", "steps", "levels"))
    if path.suffix == ".nir":
        from spikeport.export.nir_import.graph import read as read_nir

        loaded, spoken = read_nir(path, **options)
        return loaded, [f"read {path} as {spoken}"]
    if path.suffix == ".net":
        from spikeport.export.formats.netx import read as read_netx

        integer = read_netx(path, steps=steps, inclusive=dialect == "slayer", levels=levels)
        return integer, [f"read {path}: fires at v {'>=' if dialect == 'slayer' else '>'} threshold"]
    return archive.read_float(path), []


def _run(recipe: "Recipe", out: Path, first: str | None, last: str | None) -> Outcome[dict[str, Any]]:
    import json

    from spikeport.hardware_profiles.report import text
    from spikeport.toolchain.pipeline import execute

    execute(recipe, out, first=first, last=last)
    path = out / "report.json"
    if last not in (None, "report") or not path.is_file():
        return Outcome(value={}, text=f"stages done up to {last}; artefacts are in {out}")
    document = json.loads(path.read_text(encoding="utf-8"))
    wrong = sum(found["mismatches"] for found in document["fidelity"].values())
    files = "network.safetensors, network.nir, network.onnx, report.html, report.json, held_out.npz"
    return Outcome(
        value=document,
        text=f"{text.render(document)}\n\nwrote {files} to {out}/",
        failed=bool(wrong or document["operations"]["difference"]),
    )


def _verdict(found: fidelity.Fidelity) -> str:
    from spikeport.hardware_profiles.report.text import table

    rows = [
        (c.population, c.quantity, f"{c.compared:,}", f"{c.different:,}", _place(c.first))
        for c in found.comparisons.values()
    ]
    header = (f"{found.executor} against {fidelity.BASE}", "quantity", "compared", "different", "first difference")
    return table(header, rows)


def _place(first: "fidelity.Difference | None") -> str:
    if first is None:
        return "none"
    neuron = ", ".join(map(str, first.neuron))
    return (
        f"sample {first.sample}, step {first.step}, neuron ({neuron}): "
        f"expected {first.expected:g}, found {first.found:g}"
    )


def _conclusion(wrong: int, allowed: int, *, proven: bool) -> str:
    proof = "proof recomputed: no register can wrap or saturate" if proven else "no proof: a register could overflow"
    verdict = "exact" if wrong == 0 else f"{wrong:,} neuron steps differ ({allowed:,} allowed)"
    return f"{verdict}; {proof}"
