"""The command ``spikeport``: each verb reads its options, calls one function of `spikeport.toolchain.verbs`, prints."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikeport.toolchain import analyze_command, attack_command, exits, profiles_command
from spikeport.toolchain.exits import say as _say
from spikeport.toolchain.options import (
    bins,
    cluster_of,
    grouped,
    import_settings,
    known_rules,
    number,
    numbers,
    whole_numbers,
)
from spikeport.toolchain.options import reading as reading_of
from spikeport.toolchain.saving import saving

if TYPE_CHECKING:
    from spikeport.export.stimulus import InputSettings
    from spikeport.toolchain.verbs.networks import ImportSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Take a sparse, robust spiking network to Loihi integers, NIR, ONNX and Lava, and say what it costs.",
)
lava_app = typer.Typer(help="The Python 3.10 environment for Intel's Lava.", no_args_is_help=True)
app.add_typer(profiles_command.app, name="profiles")
app.add_typer(lava_app, name="lava")
app.add_typer(analyze_command.app, name="analyze")

Network = Annotated[Path, typer.Argument(help="Archive (.safetensors).")]
AnyFile = Annotated[Path, typer.Argument(help="Archive (.safetensors), NIR (.nir) or lava-dl (.net).")]
Input = Annotated[
    Path,
    typer.Option("--input", help="Samples: .npz, .npy, .pt, .hdf5, .aedat4, or a folder with a file for each."),
]


def main() -> None:
    """Run the command; `spikeport.toolchain.exits` has the table of its exit codes.

    Threads of PyTorch that wait for each other sleep after 20,000 rounds, unless the environment says otherwise. GNU
    OpenMP's 300,000 can take several times the processor time of the work on a busy machine; none at all halves the
    speed on a quiet one.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    exits.run(app)


def _names(text: str | None) -> tuple[str, ...]:
    """Return the parts of a comma-separated option."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


Out = Annotated[Path, typer.Option(help="Folder for the artefacts.")]
Profiles = Annotated[list[str] | None, typer.Option(help="Name or .toml file; may be repeated.")]
CHIPS = ("loihi1", "loihi2")
Verify = Annotated[int, typer.Option(help="Images whose operations are counted in all three ways; 0: none.", min=0)]
FOR = "Chips, comma-separated, that have to run the network: names or .toml files."
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
@grouped(cluster=cluster_of, saved=saving)
def run(
    recipe: Annotated[
        str | None, typer.Argument(help="Recipe (.toml), or the name of one that comes along; they are listed without.")
    ] = None,
    out: Out = Path("run"),
    from_: Annotated[
        str | None, typer.Option("--from", help="Stage to run again; the ones before it are done.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Last stage.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="stages.dense.training.epochs=2: another value; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the recipe's seed.", min=0)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, whose recipe it holds.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, why, and about how long.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="With --dry-run: write the recipe as it would run (.toml).")
    ] = None,
    extend: Annotated[
        list[Path] | None, typer.Option(help="Folder with choices of your own, run as Python code; may be repeated.")
    ] = None,
    verify: Annotated[
        int | None, typer.Option(help="Images whose operations are counted in all three ways; 0: none.", min=0)
    ] = None,
    cluster: Any = None,
    saved: Any = None,
) -> None:
    """Run the stages of a recipe; what is done and unchanged is skipped. A recipe with a matrix gives a table."""
    from spikeport.toolchain.verbs import recipes

    settings = recipes.RunSettings(
        settings=set_ or (), seed=seed, device=device, verify=verify, extend=extend or (), cluster=cluster
    )
    if write is not None and not dry_run:
        raise typer.BadParameter("--write goes with --dry-run")
    if dry_run:
        _say(recipes.forecast(recipe, out, from_=from_, to=to, resume=resume, settings=settings, write=write).text())
        return
    done = recipes.run(recipe, out, from_=from_, to=to, resume=resume, settings=settings)
    _say(done.text() + saved.save(done), passed=done.passed)


WeightBits = Annotated[int | None, typer.Option(help="Float networks: bits of a weight on the chip (8).")]
Unit = Annotated[str | None, typer.Option(help="What a level stands for: 1 (counts); 1/levels without.")]


@app.command("import")
@grouped(source=import_settings)
def import_network(
    network: Annotated[Path, typer.Argument(help="NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    unit: Unit = None,
    source: Any = None,
) -> None:
    """Read another framework's network, say how it was understood, and keep it as it is."""
    from spikeport.toolchain.verbs import networks

    settings = replace(source, unit=number(unit))
    _say(networks.import_network(network, settings=settings, out=out).text())


@app.command()
@grouped(source=import_settings, reading=bins)
def quantize(
    network: Annotated[Path, typer.Argument(help="Float archive (.safetensors), NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    weight_bits: Annotated[int, typer.Option(help="2 to 8, with the sign.")] = 8,
    calibration: Annotated[Path | None, typer.Option(help="Samples that choose the scales, as --input.")] = None,
    for_: Annotated[str | None, typer.Option("--for", help=f"{FOR} Lava's arithmetic without.")] = None,
    unit: Unit = None,
    source: Any = None,
    reading: Any = None,
) -> None:
    """Turn a float network into integers with a proof that no register overflows; exit code 1 where --for fails."""
    from spikeport.toolchain.verbs import networks

    settings = networks.QuantizeSettings(weight_bits=weight_bits, source=replace(source, unit=number(unit)))
    done = networks.quantize(
        network, calibration=calibration, settings=settings, target=_names(for_), out=out, reading=reading
    )
    _say(done.text(), passed=done.passed)


@app.command()
def convert(
    model: Annotated[Path, typer.Argument(help="ReLU network: .pt2 (torch.export.save), .onnx, .safetensors.")],
    calibration: Annotated[Path, typer.Option(help="Images that set the thresholds: pixels, as --input.")],
    out: Annotated[Path, typer.Option(help="Archive to write: of integers with --weight-bits, else of floats.")],
    steps: Annotated[int, typer.Option(help="T, the steps of a sample.")] = 32,
    sparsity: Annotated[float, typer.Option(help="Share of every layer's weights that become zero first.")] = 0.0,
    input: Annotated[Path | None, typer.Option("--input", help="Images with labels for the accuracy.")] = None,
    weight_bits: Annotated[int | None, typer.Option(help="Bits of a weight, 2 to 8: integers.")] = None,
    mean: Annotated[str | None, typer.Option(help="Of the training: one number, or one a channel, a,b,c.")] = None,
    std: Annotated[str | None, typer.Option(help="Of the training: one number, or one a channel, a,b,c.")] = None,
    percentile: Annotated[float | None, typer.Option(help="Of the activations, in percent; several tried.")] = None,
    shift: Annotated[float | None, typer.Option(help="Thresholds that a neuron gets as a bias; several tried.")] = None,
    threshold_scale: Annotated[float, typer.Option(help="Multiplies all thresholds.")] = 1.0,
    reset: Annotated[str, typer.Option(help="subtractive or hard.")] = "subtractive",
    max_pooling: Annotated[str, typer.Option(help="relu (exact rates) or spikes (any in a window).")] = "relu",
    images: Annotated[int, typer.Option(help="Calibration images on which thresholds are tried.")] = 300,
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON.")] = None,
) -> None:
    """Turn a trained ReLU network into a spiking one, without training it again."""
    from spikeport.toolchain.verbs import convert as verb
    from spikeport.toolchain.verbs.converted import ConvertSettings

    settings = ConvertSettings(
        steps=steps,
        sparsity=sparsity,
        percentile=percentile,
        threshold_scale=threshold_scale,
        shift=shift,
        reset=reset,  # type: ignore[arg-type]
        max_pooling=max_pooling,  # type: ignore[arg-type]
        mean=numbers(mean),
        std=numbers(std),
        weight_bits=weight_bits,
        images=images,
    )
    done = verb.convert(model, calibration, settings=settings, held_out=input, out=out)
    if json is not None:
        done.write_json(json)
    _say(done.text())


def _source(network: Path, source: "ImportSettings", reading: "InputSettings") -> "ImportSettings":
    """Return the settings of a file of another framework; without an encoder, the input's unit is its source's."""
    own = network.suffix == ".safetensors" or reading.encoder() is not None
    return source if own else replace(source, unit=reading.unit)


@app.command()
@grouped(known=known_rules)
def identify(
    network: Annotated[Path, typer.Argument(help="NIR (.nir).")],
    input: Annotated[Path, typer.Option("--input", help="Recorded input: .npz with 'input', or .npy.")],
    output: Annotated[
        Path, typer.Option("--output", help="Recorded output: .npz of layers by name, or .npy of the last.")
    ],
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON.")] = None,
    known: Any = None,
) -> None:
    """Find the rules with which another framework turned the input into the output; exit code 0 or 1."""
    from spikeport.toolchain.verbs import identify as verb

    done = verb.identify(network, input, output, settings=known)
    if json is not None:
        done.write_json(json)
    _say(done.text(), passed=done.passed)


@app.command()
def export(
    network: Network,
    to: Annotated[
        str, typer.Option(help="nir, nir-portable, onnx, netx, lava-job, loihi1, archive; onnx-float, nir-float.")
    ],
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
    input_as: Annotated[str | None, typer.Option(help="bias: the host writes the first layer's sums.")] = None,
) -> None:
    """Write a network in another format."""
    from spikeport.toolchain.verbs import networks

    _say(networks.export_network(network, out, to=to, input_as=input_as).text())


@app.command()
@grouped(cluster=cluster_of, source=import_settings, reading=reading_of)
def simulate(
    network: AnyFile,
    input: Input,
    executor: Annotated[str | None, typer.Option(help="fast, reference, onnx, nir, lava; floating.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep classes and scores (.npz).")] = None,
    score: Annotated[str | None, typer.Option(help=SCORE)] = None,
    count: Annotated[bool, typer.Option(help="Count synaptic operations.")] = False,
    verify: Annotated[
        int | None, typer.Option(help="With --count: images counted in all three ways (4); 0: none.", min=0)
    ] = None,
    biases: Annotated[Path | None, typer.Option(help="Input as bias: keep what the host writes (.npz).")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the finished parts of an interrupted run.")] = False,
    cluster: Any = None,
    source: Any = None,
    reading: Any = None,
) -> None:
    """Run a network on images."""
    from spikeport.toolchain.verbs import networks, simulation

    settings = simulation.SimulationSettings(
        executor=executor, score=score, count=count, cluster=cluster, resume=resume, verify=verify
    )
    opened, assumptions = networks.opened(network, _source(network, source, reading), out=out)
    done = simulation.simulate(opened, input, settings=settings, out=out, reading=reading, biases=biases)
    _say("\n".join([*assumptions, done.text()]), passed=done.passed)


app.command()(attack_command.attack)


@app.command()
@grouped(reading=reading_of)
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
    require: Annotated[str | None, typer.Option(help="Executors without which there is no verdict.")] = None,
    for_: Annotated[str | None, typer.Option("--for", help=FOR)] = None,
    reading: Any = None,
) -> None:
    """Compare executors with the fast (or floating) one, every neuron and every step; exit code 0 or 1."""
    from spikeport.toolchain.verbs import checking

    settings = checking.CheckSettings(
        executors=_names(executors),
        samples=random,
        seed=seed,
        max_mismatches=max_mismatches,
        unproven=unproven,
        require=_names(require),
        chips=_names(for_),
    )
    verdict = checking.check(network, input, settings=settings, reading=reading)
    if junit is not None:
        verdict.write_junit(junit, name=network.name)
    if json is not None:
        verdict.write_json(json)
    _say(verdict.text(), passed=verdict.passed)


@app.command()
@grouped(source=import_settings, reading=reading_of, saved=saving)
def report(
    network: AnyFile,
    input: Input,
    profile: Profiles = None,
    relative_to: Annotated[Path | None, typer.Option(help="Archive of the dense network, to compare with.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path("report"),
    weight_bits: WeightBits = None,
    verify: Verify = 4,
    for_: Annotated[str | None, typer.Option("--for", help=FOR)] = None,
    float_: Annotated[
        Path | None,
        typer.Option("--float", help="Of integers: archive or checkpoint of the float network, to compare."),
    ] = None,
    raster: Annotated[str | None, typer.Option(help="Numbers of samples whose spikes are drawn, 0,5.")] = None,
    source: Any = None,
    reading: Any = None,
    saved: Any = None,
) -> None:
    """Count operations, place the network on cores, price it, and write the report."""
    from spikeport.toolchain.verbs import costs, networks

    opened, assumptions = networks.opened(network, _source(network, source, reading))
    done = costs.report(
        opened,
        input,
        profiles=profile or CHIPS,
        relative_to=relative_to,
        weight_bits=weight_bits,
        chips=_names(for_),
        out=out,
        reading=reading,
        verify=verify,
        float_network=float_,
        rasters=() if raster is None else whole_numbers(raster),
    )
    text = "\n\n".join(["\n".join(assumptions)] * bool(assumptions) + [done.text()])
    _say(f"{text}\n\nwrote {out}/report.html and {out}/report.json{saved.save(done)}", passed=done.passed)


@app.command("what-if")
@grouped(reading=reading_of, saved=saving)
def what_if(
    network: Network,
    input: Input,
    profile: Profiles = None,
    steps: Annotated[list[int] | None, typer.Option(help="Other number of steps; may be repeated.", min=1)] = None,
    sparsity: Annotated[list[float] | None, typer.Option(help="More zeros, 0 to 1; may be repeated.")] = None,
    encoding: Annotated[list[str] | None, typer.Option(help="dense, sparse, run_length or one_copy alone.")] = None,
    weight_bits: WeightBits = None,
    reading: Any = None,
    saved: Any = None,
) -> None:
    """Say what a network would cost with other steps, more zeros or on another chip, without training."""
    from spikeport.toolchain.verbs import costs

    variations = costs.Variations(
        profiles=tuple(profile or CHIPS),
        steps=tuple(steps or ()),
        sparsities=tuple(sparsity or ()),
        encodings=tuple(encoding or ()),
        weight_bits=weight_bits,
    )
    done = costs.what_if(network, input, variations, reading=reading)
    _say(done.text() + saved.save(done))


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
