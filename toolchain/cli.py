"""The command ``spikeport``: each verb reads its options, calls one function of `spikeport.toolchain.verbs`, prints."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikeport.export.errors import printable
from spikeport.toolchain import exits

if TYPE_CHECKING:
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
Input = Annotated[Path, typer.Option("--input", help="Images: .npz with 'images' (and 'labels'), or .npy.")]


def main() -> None:
    """Run the command; `spikeport.toolchain.exits` has the table of its exit codes."""
    exits.run(app)


def _say(text: str, *, passed: bool = True) -> None:
    """Print a result, and leave with 1 where its verdict is bad: the same for every verb."""
    print(printable(text, keep="\n"))
    if not passed:
        raise typer.Exit(1)


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


Dialect = Annotated[
    str,
    typer.Option(help="auto, snntorch, norse, spikingjelly, sinabs, rockpool, spyx, lava-dl, nir; .net: lava, slayer."),
]
Guess = Annotated[bool, typer.Option("--guess", help="NIR: take the likeliest framework where several fit.")]
Dt = Annotated[float | None, typer.Option(help="NIR: length of a step, in the file's unit of time.")]
Reset = Annotated[str | None, typer.Option(help="NIR: hard, subtract, late, settle, pause or none.")]
Most = Annotated[str | None, typer.Option(help="NIR: most spikes a step, or any.")]
Floor = Annotated[str | None, typer.Option(help="NIR: least potential, a number, threshold (minus it) or none.")]
VReset = Annotated[str | None, typer.Option(help="NIR: what a spike sets the potential to.")]
TauSyn = Annotated[str | None, typer.Option(help="NIR: steps of a synaptic current that the file does not hold.")]
Normalized = Annotated[str | None, typer.Option(help="NIR: neurons with norm_input: LIF, LI, LIF,LI or none.")]
Rules = Annotated[list[str] | None, typer.Option("--rule", help="NIR: another rule, NAME=VALUE; may be repeated.")]
Steps = Annotated[int | None, typer.Option(help="NIR, .net: steps of a sample.")]
Levels = Annotated[int | None, typer.Option(help="NIR, .net: input levels, 1 (spikes) or 255.")]
Output = Annotated[str | None, typer.Option(help="NIR: the Output node that is meant, where there are several.")]


@app.command("import")
def import_network(
    network: Annotated[Path, typer.Argument(help="NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    dialect: Dialect = "auto",
    guess: Guess = False,
    dt: Dt = None,
    reset: Reset = None,
    most: Most = None,
    floor: Floor = None,
    v_reset: VReset = None,
    tau_syn: TauSyn = None,
    normalized: Normalized = None,
    rule: Rules = None,
    steps: Steps = None,
    levels: Levels = None,
    output: Output = None,
) -> None:
    """Read another framework's network, say how it was understood, and keep it as it is."""
    from spikeport.toolchain.verbs import networks

    told = {"dt": dt, "reset": reset, "most": most, "floor": floor, "v_reset": v_reset, "tau_syn": tau_syn}
    settings = _import_settings(
        told, rule, dialect=dialect, guess=guess, steps=steps, levels=levels, output=output, normalized=normalized
    )
    done = networks.import_network(network, settings=settings, out=out)
    _warn(done.assumptions)
    _say(done.text())


@app.command()
def quantize(
    network: Annotated[Path, typer.Argument(help="Float archive (.safetensors), NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    weight_bits: Annotated[int, typer.Option(help="2 to 8, with the sign.")] = 8,
    calibration: Annotated[Path | None, typer.Option(help="Images (.npz, .npy) that choose the scales.")] = None,
    dialect: Dialect = "auto",
    guess: Guess = False,
    dt: Dt = None,
    reset: Reset = None,
    most: Most = None,
    floor: Floor = None,
    v_reset: VReset = None,
    tau_syn: TauSyn = None,
    normalized: Normalized = None,
    rule: Rules = None,
    steps: Steps = None,
    levels: Levels = None,
    output: Output = None,
) -> None:
    """Turn a float network into Loihi integers with a proof that no register overflows."""
    from spikeport.toolchain.verbs import networks

    told = {"dt": dt, "reset": reset, "most": most, "floor": floor, "v_reset": v_reset, "tau_syn": tau_syn}
    source = _import_settings(
        told, rule, dialect=dialect, guess=guess, steps=steps, levels=levels, output=output, normalized=normalized
    )
    settings = networks.QuantizeSettings(weight_bits=weight_bits, source=source)
    done = networks.quantize(network, calibration=calibration, settings=settings, out=out)
    _warn(done.assumptions)
    _say(done.text())


@app.command()
def identify(
    network: Annotated[Path, typer.Argument(help="NIR (.nir).")],
    input: Annotated[Path, typer.Option("--input", help="Recorded input: .npz with 'input', or .npy.")],
    output: Annotated[
        Path, typer.Option("--output", help="Recorded output: .npz of layers by name, or .npy of the last.")
    ],
    dialect: Dialect = "auto",
    dt: Dt = None,
    reset: Reset = None,
    most: Most = None,
    floor: Floor = None,
    v_reset: VReset = None,
    tau_syn: TauSyn = None,
    normalized: Normalized = None,
    rule: Rules = None,
    steps: Steps = None,
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON.")] = None,
) -> None:
    """Find the rules with which another framework turned the input into the output; exit code 0 or 1."""
    from spikeport.toolchain.verbs import identify as verb

    told = {"dt": dt, "reset": reset, "most": most, "floor": floor, "v_reset": v_reset, "tau_syn": tau_syn}
    settings = _import_settings(told, rule, dialect=dialect, steps=steps, normalized=normalized)
    done = verb.identify(network, input, output, settings=settings)
    if json is not None:
        done.write_json(json)
    _say(done.text(), passed=done.passed)


def _import_settings(told: dict[str, Any], rules: list[str] | None, **settings: Any) -> "ImportSettings":
    from spikeport.toolchain.verbs.networks import ImportSettings
    from spikeport.toolchain.verbs.rules import by_name

    return ImportSettings(**told, **settings, rules=by_name(rules or ()))


def _warn(assumptions: Iterable[str]) -> None:
    """Repeat on standard error what was guessed."""
    for each in assumptions:
        if each.startswith("warning: "):
            print(printable(f"spikeport: {each}"), file=sys.stderr)


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
    _say(simulation.simulate(network, input, settings=settings, out=out).text())


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
    from spikeport.toolchain.verbs import checking

    names = tuple(name.strip() for name in executors.split(",") if name.strip())
    settings = checking.CheckSettings(
        executors=names, samples=random, seed=seed, max_mismatches=max_mismatches, unproven=unproven
    )
    verdict = checking.check(network, input, settings=settings)
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
) -> None:
    """Count operations, place the network on cores, price it, and write the report."""
    from spikeport.toolchain.verbs import costs

    done = costs.report(network, input, profiles=profile or CHIPS, relative_to=relative_to, out=out)
    _say(f"{done.text()}\n\nwrote {out}/report.html and {out}/report.json", passed=done.passed)


@app.command("what-if")
def what_if(
    network: Network,
    input: Input,
    profile: Profiles = None,
    steps: Annotated[list[int] | None, typer.Option(help="Other number of steps; may be repeated.", min=1)] = None,
    sparsity: Annotated[list[float] | None, typer.Option(help="More zeros, 0 to 1; may be repeated.")] = None,
    encoding: Annotated[list[str] | None, typer.Option(help="dense, sparse, run_length or one_copy alone.")] = None,
) -> None:
    """Say what a network would cost with other steps, more zeros or on another chip, without training."""
    from spikeport.toolchain.verbs import costs

    variations = costs.Variations(
        profiles=tuple(profile or CHIPS),
        steps=tuple(steps or ()),
        sparsities=tuple(sparsity or ()),
        encodings=tuple(encoding or ()),
    )
    _say(costs.render(costs.what_if(network, input, variations)))


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
