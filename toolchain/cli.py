"""The command ``spikeport``: each verb reads its options, calls one function of `spikeport.toolchain.verbs`, prints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikeport.export.errors import printable
from spikeport.toolchain import exits

if TYPE_CHECKING:
    from spikeport.export.stimulus import InputSettings
    from spikeport.toolchain.verbs.networks import ImportSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Take a sparse, robust spiking network to Loihi integers, NIR, ONNX and Lava, and say what it costs.",
)
profiles_app = typer.Typer(help="Hardware profiles: chips as data.", invoke_without_command=True)
lava_app = typer.Typer(help="The Python 3.10 environment for Intel's Lava.", no_args_is_help=True)
app.add_typer(profiles_app, name="profiles")
app.add_typer(lava_app, name="lava")

Network = Annotated[Path, typer.Argument(help="Archive (.safetensors).")]
Input = Annotated[
    Path,
    typer.Option("--input", help="Samples: .npz, .npy, .pt, .hdf5, .aedat4, or a folder with a file for each."),
]
InputUnit = Annotated[
    str | None, typer.Option("--unit", help="What a number 1 of the input stands for: 1 (counts), 1/255 (pixels).")
]
Bin = Annotated[str | None, typer.Option("--bin", help="Event lists: length of a step, for instance 1ms (us, ms, s).")]
Frames = Annotated[int | None, typer.Option(help="Event lists: number of equal bins.", min=1)]
Incomplete = Annotated[bool, typer.Option(help="Event lists: keep the last bin that a recording does not fill.")]


def main() -> None:
    """Run the command; `spikeport.toolchain.exits` has the table of its exit codes."""
    exits.run(app)


def _say(text: str, *, passed: bool = True) -> None:
    """Print a result, and leave with 1 where its verdict is bad: the same for every verb."""
    print(printable(text, keep="\n"))
    if not passed:
        raise typer.Exit(1)


def _reading(unit: str | None, bin_: str | None, frames: int | None, *, incomplete: bool) -> "InputSettings":
    """Return how the input is read: the options that stand wherever --input does."""
    from spikeport.export.stimulus.settings import InputSettings, ratio

    number = None if unit is None else ratio(unit)
    return InputSettings(unit=number, bin=bin_, frames=frames, incomplete=incomplete)


Out = Annotated[Path, typer.Option(help="Folder for the artefacts.")]
Profiles = Annotated[list[str] | None, typer.Option(help="Name or .toml file; may be repeated.")]
CHIPS = ("loihi1", "loihi2")
SCORE = "What decides the class: count, last, mean, max; by itself spikes if the readout fires, else its potential."


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    fast: Annotated[bool, typer.Option(help="One epoch a stage on 40 held-out images.")] = False,
) -> None:
    """Take the embedded digits through every stage and print what came out."""
    from spikeport.toolchain.verbs import recipes

    done = recipes.demo(out, fast=fast)
    _say(done.text(), passed=done.passed)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="Recipe (.toml).")],
    out: Out = Path("run"),
    from_: Annotated[str | None, typer.Option("--from", help="First stage; the ones before it have run.")] = None,
    to: Annotated[str | None, typer.Option(help="Last stage.")] = None,
) -> None:
    """Run a recipe: pretrain, prune, convert, finetune, lower, quantize, export, check, report."""
    from spikeport.toolchain.verbs import recipes

    done = recipes.run(recipe, out, from_=from_, to=to)
    _say(done.text(), passed=done.passed)


Dialect = Annotated[str, typer.Option(help="auto, snntorch, norse, spikingjelly, sinabs, nir; .net: lava, slayer.")]
Dt = Annotated[float | None, typer.Option(help="NIR: length of a step, in the file's unit of time.")]
Reset = Annotated[str | None, typer.Option(help="NIR: hard, subtract, late, settle, pause or none.")]
Most = Annotated[int | None, typer.Option(help="NIR: most spikes a step.")]
Steps = Annotated[int | None, typer.Option(help="NIR, .net: steps of a sample.")]
Output = Annotated[str | None, typer.Option(help="NIR: the Output node that is meant, where there are several.")]
Levels = Annotated[int | None, typer.Option(help="Input levels: 1 (spikes), 255 (pixels), or the largest count.")]
Unit = Annotated[str | None, typer.Option(help="What a level stands for: 1 (counts); 1/levels without.")]


@app.command("import")
def import_network(
    network: Annotated[Path, typer.Argument(help="NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    dialect: Dialect = "auto",
    dt: Dt = None,
    reset: Reset = None,
    most: Most = None,
    steps: Steps = None,
    levels: Levels = None,
    output: Output = None,
    unit: Unit = None,
) -> None:
    """Read another framework's network, say how it was understood, and keep it as it is."""
    from spikeport.toolchain.verbs import networks

    settings = _import_settings(dialect, dt, reset, most, steps, levels, output, unit)
    _say(networks.import_network(network, settings=settings, out=out).text())


@app.command()
def quantize(
    network: Annotated[Path, typer.Argument(help="Float archive (.safetensors), NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    weight_bits: Annotated[int, typer.Option(help="2 to 8, with the sign.")] = 8,
    calibration: Annotated[Path | None, typer.Option(help="Samples that choose the scales, as --input.")] = None,
    dialect: Dialect = "auto",
    dt: Dt = None,
    reset: Reset = None,
    most: Most = None,
    steps: Steps = None,
    levels: Levels = None,
    output: Output = None,
    unit: Unit = None,
    bin_: Annotated[str | None, typer.Option("--bin", help="Calibration by event lists: length of a step.")] = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
) -> None:
    """Turn a float network into Loihi integers with a proof that no register overflows."""
    from spikeport.toolchain.verbs import networks

    source = _import_settings(dialect, dt, reset, most, steps, levels, output, unit)
    settings = networks.QuantizeSettings(weight_bits=weight_bits, source=source)
    reading = _reading(None, bin_, frames, incomplete=incomplete)
    _say(networks.quantize(network, calibration=calibration, settings=settings, out=out, reading=reading).text())


def _import_settings(
    dialect: str,
    dt: float | None,
    reset: str | None,
    most: int | None,
    steps: int | None,
    levels: int | None,
    output: str | None,
    unit: str | None,
) -> "ImportSettings":
    from spikeport.export.stimulus.settings import ratio
    from spikeport.toolchain.verbs.networks import ImportSettings

    number = None if unit is None else ratio(unit)
    return ImportSettings(
        dialect=dialect, dt=dt, reset=reset, most=most, steps=steps, levels=levels, output=output, unit=number
    )


@app.command()
def export(
    network: Network,
    to: Annotated[str, typer.Option(help="nir, nir-portable, onnx, netx, lava-job; onnx-float.")],
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
) -> None:
    """Write a network in another format."""
    from spikeport.toolchain.verbs import networks

    _say(networks.export_network(network, out, to=to).text())


@app.command()
def simulate(
    network: Network,
    input: Input,
    executor: Annotated[str | None, typer.Option(help="fast, reference, onnx, nir, lava; floating.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep classes and scores (.npz).")] = None,
    score: Annotated[str | None, typer.Option(help=SCORE)] = None,
    count: Annotated[bool, typer.Option(help="Count synaptic operations.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the finished parts of an interrupted run.")] = False,
    workers: Annotated[int, typer.Option(help="Processes of a local Dask cluster.", min=1)] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="For tls:// schedulers: who signed (PEM).")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="For tls:// schedulers: your certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="For tls:// schedulers: its key (PEM).")] = None,
    unit: InputUnit = None,
    bin_: Bin = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
) -> None:
    """Run a network on images."""
    from spikeport.export.cluster import Cluster, Tls
    from spikeport.toolchain.verbs import simulation

    files = [tls_ca, tls_cert, tls_key]
    given = [path for path in files if path is not None]
    if len(given) not in (0, len(files)):
        raise typer.BadParameter("--tls-ca, --tls-cert and --tls-key go together")
    tls = Tls(ca=given[0], cert=given[1], key=given[2]) if given else None
    cluster = Cluster(address=scheduler, workers=workers, tls=tls) if scheduler or workers > 1 or tls else None
    settings = simulation.SimulationSettings(
        executor=executor, score=score, count=count, cluster=cluster, resume=resume
    )
    reading = _reading(unit, bin_, frames, incomplete=incomplete)
    _say(simulation.simulate(network, input, settings=settings, out=out, reading=reading).text())


@app.command()
def check(
    network: Network,
    input: Annotated[Path | None, typer.Option("--input", help="Samples; random ones without.")] = None,
    random: Annotated[int, typer.Option(help="Number of random samples where no input is given.")] = 20,
    executors: Annotated[str, typer.Option(help="Comma-separated.")] = "lava,onnx,nir",
    max_mismatches: Annotated[int, typer.Option(help="Differing neuron steps that still pass.")] = 0,
    unproven: Annotated[bool, typer.Option(help="Pass a network whose registers could overflow.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the verdict as JUnit XML.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the verdict as JSON.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random samples.")] = 0,
    unit: InputUnit = None,
    bin_: Bin = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
) -> None:
    """Compare executors with the fast one, every neuron and every step; exit code 0 or 1."""
    from spikeport.toolchain.verbs import checking

    names = tuple(name.strip() for name in executors.split(",") if name.strip())
    settings = checking.CheckSettings(
        executors=names, samples=random, seed=seed, max_mismatches=max_mismatches, unproven=unproven
    )
    verdict = checking.check(
        network, input, settings=settings, reading=_reading(unit, bin_, frames, incomplete=incomplete)
    )
    if junit is not None:
        verdict.write_junit(junit, name=network.name)
    if json is not None:
        verdict.write_json(json)
    _say(verdict.text(), passed=verdict.passed)


@app.command()
def report(
    network: Network,
    input: Input,
    profile: Profiles = None,
    relative_to: Annotated[Path | None, typer.Option(help="Archive of the dense network, to compare with.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path("report"),
    unit: InputUnit = None,
    bin_: Bin = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
) -> None:
    """Count operations, place the network on cores, price it, and write the report."""
    from spikeport.toolchain.verbs import costs

    reading = _reading(unit, bin_, frames, incomplete=incomplete)
    done = costs.report(network, input, profiles=profile or CHIPS, relative_to=relative_to, out=out, reading=reading)
    _say(f"{done.text()}\n\nwrote {out}/report.html and {out}/report.json", passed=done.passed)


@app.command("what-if")
def what_if(
    network: Network,
    input: Input,
    profile: Profiles = None,
    steps: Annotated[list[int] | None, typer.Option(help="Other number of steps; may be repeated.", min=1)] = None,
    sparsity: Annotated[list[float] | None, typer.Option(help="More zeros, 0 to 1; may be repeated.")] = None,
    encoding: Annotated[list[str] | None, typer.Option(help="dense, sparse, run_length or one_copy alone.")] = None,
    unit: InputUnit = None,
    bin_: Bin = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
) -> None:
    """Say what a network would cost with other steps, more zeros or on another chip, without training."""
    from spikeport.toolchain.verbs import costs

    variations = costs.Variations(
        profiles=tuple(profile or CHIPS),
        steps=tuple(steps or ()),
        sparsities=tuple(sparsity or ()),
        encodings=tuple(encoding or ()),
    )
    reading = _reading(unit, bin_, frames, incomplete=incomplete)
    _say(costs.render(costs.what_if(network, input, variations, reading=reading)))


@profiles_app.callback()
def profiles(context: typer.Context) -> None:
    """List the hardware profiles."""
    if context.invoked_subcommand is None:
        from spikeport.toolchain.verbs import profiles as verb

        _say(verb.profile_list())


@profiles_app.command("show")
def profiles_show(
    name: Annotated[str, typer.Argument(help="Name or .toml file.")],
    rules: Annotated[bool, typer.Option(help="The rules of its cores instead.")] = False,
) -> None:
    """Print a profile's constants with their sources."""
    from spikeport.toolchain.verbs import profiles as verb

    _say(verb.show_profile(name, rules=rules))


@lava_app.command("install")
def lava_install(
    netx: Annotated[bool, typer.Option(help="Add lava-dl, 5.6 GB.")] = False,
    force: Annotated[bool, typer.Option(help="Make it anew.")] = False,
) -> None:
    """Make the Lava environment with the Python 3.10 that is found."""
    from spikeport.toolchain.verbs import lava

    _say(lava.lava_install(netx=netx, force=force).text())


@lava_app.command("doctor")
def lava_doctor() -> None:
    """Examine the Lava environment and run a small network in it."""
    from spikeport.toolchain.verbs import lava

    done = lava.lava_doctor()
    _say(done.text(), passed=done.passed)


if __name__ == "__main__":
    main()
