"""The command ``spikeport``: verbs only, each calls one function of `spikeport.toolchain.verbs`."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.export.errors import SpikeportError, printable

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
Input = Annotated[Path, typer.Option("--input", help="Images: .npz with 'images' (and 'labels'), or .npy.")]


def main() -> None:
    """Run the command; bad input ends in one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except SpikeportError as error:
        print(f"spikeport: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        sentence = printable(f"{error.filename or 'a file'}: {error.strerror or error}")
        print(f"spikeport: {sentence}", file=sys.stderr)
        sys.exit(2)


def _verb(name: str, *args: Any, **options: Any) -> None:
    """Call a verb, print its text, and leave with 1 where its verdict is bad; the import waits until now."""
    from spikeport.toolchain import verbs  # noqa: PLC0415 - --help starts without numpy

    try:
        outcome = getattr(verbs, name)(*args, **options)
    except KeyboardInterrupt:
        print("\nspikeport: interrupted; files of finished stages are whole and stay", file=sys.stderr)
        raise typer.Exit(130) from None
    print(printable(outcome.text, keep="\n"))
    if outcome.failed:
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    fast: Annotated[bool, typer.Option(help="One epoch a stage on 40 held-out images.")] = False,
) -> None:
    """Take the embedded digits through every stage and print what came out."""
    _verb("demo", out, fast=fast)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="Recipe (.toml).")],
    out: Annotated[Path, typer.Option(help="Folder for the artefacts.")] = Path("run"),
    from_: Annotated[str | None, typer.Option("--from", help="First stage; the ones before it have run.")] = None,
    to: Annotated[str | None, typer.Option(help="Last stage.")] = None,
) -> None:
    """Run a recipe: pretrain, prune, convert, finetune, lower, quantize, export, check, report."""
    _verb("run", recipe, out, from_=from_, to=to)


Dialect = Annotated[str, typer.Option(help="auto, snntorch, norse, spikingjelly, sinabs, nir; slayer.")]
Dt = Annotated[float | None, typer.Option(help="NIR: length of a step, in the file's unit of time.")]
Reset = Annotated[str | None, typer.Option(help="NIR: hard, subtract, late, settle, pause or none.")]
Most = Annotated[int | None, typer.Option(help="NIR: most spikes a step.")]
Steps = Annotated[int | None, typer.Option(help="NIR, .net: steps of a sample.")]
Levels = Annotated[int | None, typer.Option(help="NIR, .net: input levels, 1 (spikes) or 255.")]


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
) -> None:
    """Read another framework's network, say how it was understood, and keep it as it is."""
    options = {"dialect": dialect, "dt": dt, "reset": reset, "most": most, "steps": steps, "levels": levels}
    _verb("import_network", network, out, **options)


@app.command()
def quantize(
    network: Annotated[Path, typer.Argument(help="Float archive (.safetensors), NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    weight_bits: Annotated[int, typer.Option(help="2 to 8, with the sign.")] = 8,
    calibration: Annotated[Path | None, typer.Option(help="Images (.npz, .npy) that choose the scales.")] = None,
    dialect: Dialect = "auto",
    dt: Dt = None,
    reset: Reset = None,
    most: Most = None,
    steps: Steps = None,
    levels: Levels = None,
) -> None:
    """Turn a float network into Loihi integers with a proof that no register overflows."""
    options = {"dialect": dialect, "dt": dt, "reset": reset, "most": most, "steps": steps, "levels": levels}
    _verb("quantize", network, out, weight_bits=weight_bits, calibration=calibration, **options)


@app.command()
def export(
    network: Network,
    to: Annotated[str, typer.Option(help="nir, nir-portable, onnx, netx, lava-job; onnx-float.")],
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
) -> None:
    """Write a network in another format."""
    _verb("export", network, out, to=to)


@app.command()
def simulate(
    network: Network,
    input: Input,
    executor: Annotated[str | None, typer.Option(help="fast, reference, onnx, nir, lava; floating.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep classes and scores (.npz).")] = None,
    count: Annotated[bool, typer.Option(help="Count synaptic operations.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the finished parts of an interrupted run.")] = False,
    workers: Annotated[int, typer.Option(help="Processes of a local Dask cluster.", min=1)] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
) -> None:
    """Run a network on images."""
    options = {"count": count, "resume": resume, "workers": workers, "scheduler": scheduler}
    _verb("simulate", network, input, executor=executor, out=out, **options)


@app.command()
def check(
    network: Network,
    input: Annotated[Path | None, typer.Option("--input", help="Images; random ones without.")] = None,
    random: Annotated[int, typer.Option(help="Number of random samples where no input is given.")] = 20,
    executors: Annotated[str, typer.Option(help="Comma-separated.")] = "lava,onnx,nir",
    max_mismatches: Annotated[int, typer.Option(help="Differing neuron steps that still pass.")] = 0,
    unproven: Annotated[bool, typer.Option(help="Pass a network whose registers could overflow.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write the verdict as JUnit XML.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the verdict as JSON.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random samples.")] = 0,
) -> None:
    """Compare executors with the fast one, every neuron and every step; exit code 0 or 1."""
    chosen = {"input": input, "random": random, "executors": executors, "seed": seed, "junit": junit, "json": json}
    _verb("check", network, **chosen, max_mismatches=max_mismatches, unproven=unproven)


@app.command()
def report(
    network: Network,
    input: Input,
    profile: Annotated[list[str] | None, typer.Option(help="Name or .toml file; may be repeated.")] = None,
    relative_to: Annotated[Path | None, typer.Option(help="Archive of the dense network, to compare with.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path("report"),
) -> None:
    """Count operations, place the network on cores, price it, and write the report."""
    chosen = tuple(profile or ("loihi1", "loihi2"))
    _verb("report", network, input, profile=chosen, relative_to=relative_to, out=out)


@app.command("what-if")
def what_if(
    network: Network,
    input: Input,
    profile: Annotated[list[str] | None, typer.Option(help="Name or .toml file; may be repeated.")] = None,
    steps: Annotated[list[int] | None, typer.Option(help="Other number of steps; may be repeated.", min=1)] = None,
    sparsity: Annotated[list[float] | None, typer.Option(help="More zeros, 0 to 1; may be repeated.")] = None,
    encoding: Annotated[list[str] | None, typer.Option(help="dense, sparse, run_length or one_copy alone.")] = None,
) -> None:
    """Say what a network would cost with other steps, more zeros or on another chip, without training."""
    chosen = tuple(profile or ("loihi1", "loihi2"))
    options = {"steps": tuple(steps or ()), "sparsity": tuple(sparsity or ()), "encoding": tuple(encoding or ())}
    _verb("what_if", network, input, profile=chosen, **options)


@profiles_app.callback()
def profiles(context: typer.Context) -> None:
    """List the hardware profiles."""
    if context.invoked_subcommand is None:
        _verb("profiles")


@profiles_app.command("show")
def profiles_show(
    name: Annotated[str, typer.Argument(help="Name or .toml file.")],
    rules: Annotated[bool, typer.Option(help="The rules of its cores instead.")] = False,
) -> None:
    """Print a profile's constants with their sources."""
    _verb("profiles_show", name, rules=rules)


@lava_app.command("install")
def lava_install(
    netx: Annotated[bool, typer.Option(help="Add lava-dl, 5.6 GB.")] = False,
    force: Annotated[bool, typer.Option(help="Make it anew.")] = False,
) -> None:
    """Make the Lava environment with the Python 3.10 that is found."""
    _verb("lava_install", netx=netx, force=force)


@lava_app.command("doctor")
def lava_doctor() -> None:
    """Examine the Lava environment and run a small network in it."""
    _verb("lava_doctor")


if __name__ == "__main__":
    main()
