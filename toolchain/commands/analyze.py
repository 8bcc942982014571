"""The commands ``spikeport analyze ...``: whether figures of a trained network may be believed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.toolchain.commands.exits import again, interruptible
from spikeport.toolchain.commands.options import (
    WRITING,
    Device,
    ImageCount,
    Json,
    Mean,
    Seed,
    Std,
    grouped,
    numbers,
    whole_numbers,
)
from spikeport.toolchain.commands.results import tell
from spikeport.toolchain.commands.saving import saving, saving_tables

app = typer.Typer(help="Whether figures of a trained network may be believed.", no_args_is_help=True)


def _again() -> str:
    return f"an analysis keeps no finished parts, and wrote nothing; from the start: {again()}"


@app.callback()
def analyze() -> None:
    """Hold the commands of `analyze`."""


@app.command("trade-off")
@grouped(saved=saving_tables)
def analyze_trade_off(
    result: Annotated[Path | None, typer.Argument(help="attack.json of an attack, or the folder that has it.")] = None,
    clean: Annotated[float | None, typer.Option(help="Without a file: accuracy without an attack, in percent.")] = None,
    robust: Annotated[
        list[str] | None, typer.Option(help="Without a file: NAME=PERCENT under an attack, several times.")
    ] = None,
    eps: Annotated[float, typer.Option(help="Without a file: pixel levels, 8 is 8/255.")] = 8.0,
    json: Json = None,
    saved: Any = None,
) -> None:
    """Say clean and robust accuracy in one number (QTE): their mean in percent, times 0.01 per level of epsilon.

    Example: spikeport analyze trade-off --clean 92.1 --robust PGD-7=37.3 --eps 8
    """
    from spikeport.toolchain.verbs.trade_off import analyze_trade_off

    given = None if robust is None else dict(_named_number(each) for each in robust)
    tell(analyze_trade_off(result, clean=clean, robust=given, epsilon=eps), json, saved=saved)


def _named_number(text: str) -> tuple[str, float]:
    name, found, number = text.rpartition("=")
    try:
        return (name, float(number)) if found else ("attack", float(number))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no accuracy; expected NAME=PERCENT, for instance PGD-7=37.3") from None


@app.command("coding")
@grouped(saved=saving)
def analyze_coding(
    input: Annotated[Path, typer.Option("--input", help="Images: pixels (N, C, H, W).")],
    encoder: Annotated[
        list[str] | None, typer.Option(help="KIND or KIND:KEY=VALUE,..., several times; those of the paper without.")
    ] = None,
    steps: Annotated[int, typer.Option(help="T, the steps of a sample.", min=1)] = 8,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for similarity.json and similarity.svg; earlier ones are written over.",
            rich_help_panel=WRITING,
        ),
    ] = None,
    json: Json = None,
    saved: Any = None,
) -> None:
    """Compare what encoders make of the same images: the mean cosine similarity of every pair.

    Example: spikeport analyze coding --input images.npz --steps 8
    """
    from spikeport.toolchain.verbs import coding

    with interruptible(_again):
        found = coding.analyze_coding(input, encoders=encoder or coding.ENCODERS, steps=steps, seed=seed, out=out)
    tell(found, json, wrote=f"{out}/similarity.json and {out}/similarity.svg" if out is not None else "", saved=saved)


@app.command("obfuscation")
@grouped(saved=saving)
def analyze_obfuscation(
    model: Annotated[Path, typer.Argument(help="Checkpoint (.safetensors), or ReLU network: .pt2, .onnx.")],
    input: Annotated[Path, typer.Option("--input", help="Images with labels: pixels, as --input elsewhere.")],
    eps: Annotated[float, typer.Option(help="Pixel levels: 8 is 8/255.")] = 8.0,
    suite: Annotated[str | None, typer.Option(help="Attacks to examine together: paper, quick, rsc or .toml.")] = None,
    steps: Annotated[int, typer.Option(help="Without a suite: iterations of the PGD that is examined.")] = 10,
    iterations: Annotated[str, typer.Option(help="Iterations of the sweep, comma-separated.")] = "7,10,20,40,100",
    epsilons: Annotated[
        str | None, typer.Option(help="Pixel levels of the sweep, comma-separated; doubled up to 255 without.")
    ] = None,
    queries: Annotated[int, typer.Option(help="Of the black box, Square, per image.")] = 500,
    samples: Annotated[int, typer.Option(help="Random places in the ball per image.")] = 200,
    images: ImageCount = None,
    seed: Seed = 0,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for obfuscation.json and obfuscation.svg; earlier ones are written over.",
            rich_help_panel=WRITING,
        ),
    ] = None,
    json: Json = None,
    saved: Any = None,
) -> None:
    """Look for masked gradients: six checks, sweeps of iterations and epsilon; exit code 1 where a check fails.

    Example: spikeport analyze obfuscation model.safetensors --input images.npz --eps 8 --out analysis
    """
    from spikeport.toolchain.verbs import analyze

    settings = analyze.ObfuscationSettings(
        epsilon=eps,
        suite=suite,
        steps=steps,
        iterations=whole_numbers(iterations),
        epsilons=numbers(epsilons),
        queries=queries,
        samples=samples,
        images=images,
        seed=seed,
        mean=numbers(mean),
        std=numbers(std),
        device=device,
    )
    with interruptible(_again):
        done = analyze.analyze_obfuscation(model, input, settings=settings, out=out)
    tell(done, json, wrote=f"{out}/obfuscation.json and {out}/obfuscation.svg" if out is not None else "", saved=saved)


@app.command("compare")
@grouped(saved=saving)
def compare_thresholds(
    networks: Annotated[list[str], typer.Argument(help="NAME=FOLDER[,FOLDER...]: of thresholds.json, one a seed.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for comparison.md and comparison.svg; earlier ones are written over.", rich_help_panel=WRITING
        ),
    ] = None,
    json: Json = None,
    saved: Any = None,
) -> None:
    """Put what 'analyze thresholds' measured of several networks side by side, seeds as means and errors.

    Example: spikeport analyze compare plain=plain guarded=guarded --out comparison
    """
    from spikeport.toolchain.verbs import thresholds

    done = thresholds.compare_thresholds(_by_name(networks), out=out)
    tell(done, json, wrote=f"{out}/comparison.md and {out}/comparison.svg" if out is not None else "", saved=saved)


def _by_name(networks: list[str]) -> dict[str, list[Path]]:
    """Return folders by the names that stand before them."""
    found: dict[str, list[Path]] = {}
    for each in networks:
        name, equals, folders = each.partition("=")
        if not (name and equals and folders) or name in found:
            raise typer.BadParameter(f"{each!r}: expected NAME=FOLDER[,FOLDER...], each name once")
        found[name] = [Path(folder) for folder in folders.split(",")]
    return found


def _archives(given: list[str]) -> dict[str, Path]:
    """Return archives by name; one without a name has that of its path."""
    found: dict[str, Path] = {}
    for each in given:
        name, equals, path = each.partition("=") if not Path(each).exists() else (each, "=", each)
        name, path = (name, path) if equals else (each, each)
        if name in found:
            raise typer.BadParameter(f"two archives are called {name!r}; expected each name once")
        found[name] = Path(path)
    return found


@app.command("thresholds")
@grouped(saved=saving)
def analyze_thresholds(
    model: Annotated[Path, typer.Argument(help="Checkpoint of a spiking network (.safetensors).")],
    input: Annotated[Path, typer.Option("--input", help="Images with labels: pixels, as --input elsewhere.")],
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="ARCHIVE or NAME=ARCHIVE: in integers, made of it; 'compare' needs the name; may be repeated."
        ),
    ] = None,
    bits: Annotated[str, typer.Option(help="Bits of weights to quantize the network to itself; or none.")] = "8,6,4,3",
    delta: Annotated[str, typer.Option(help="Distances to the threshold, in units of it.")] = "0.05,0.1,0.2",
    eps: Annotated[str, typer.Option(help="Pixel levels of perturbations: 8 is 8/255.")] = "2,4,8",
    steps: Annotated[int, typer.Option(help="Iterations of PGD.")] = 10,
    suite: Annotated[
        str | None, typer.Option(help="Attacks for the robust accuracy: paper, quick, rsc, .toml.")
    ] = None,
    images: ImageCount = None,
    seed: Seed = 0,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for thresholds.json and thresholds.svg; earlier ones are written over.",
            rich_help_panel=WRITING,
        ),
    ] = None,
    json: Json = None,
    saved: Any = None,
) -> None:
    """Say how near potentials are to thresholds, which changes of input and weights flip spikes, and which cannot.

    Example: spikeport analyze thresholds model.safetensors --input images.npz --out thresholds
    """
    from spikeport.toolchain.verbs import thresholds

    settings = thresholds.ThresholdSettings(
        networks=_archives(network or []),
        bits=() if bits == "none" else whole_numbers(bits),
        deltas=numbers(delta) or (),
        epsilons=numbers(eps) or (),
        steps=steps,
        suite=suite,
        images=images,
        seed=seed,
        device=device,
    )
    with interruptible(_again):
        done = thresholds.analyze_thresholds(model, input, settings=settings, out=out)
    tell(done, json, wrote=f"{out}/thresholds.json and {out}/thresholds.svg" if out is not None else "", saved=saved)


@app.command("gradients")
@grouped(saved=saving)
def analyze_gradients(
    model: Annotated[Path, typer.Argument(help="Checkpoint (.safetensors), or ReLU network: .pt2, .onnx.")],
    input: Annotated[Path, typer.Option("--input", help="Images with labels: pixels, as --input elsewhere.")],
    images: ImageCount = None,
    mean: Mean = None,
    std: Std = None,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for gradients.json and gradients.svg; earlier ones are written over.", rich_help_panel=WRITING
        ),
    ] = None,
    json: Json = None,
    saved: Any = None,
) -> None:
    """Measure exact zeros and norm of the gradient by the input of every operation, by layer and by kind.

    Example: spikeport analyze gradients model.safetensors --input images.npz --out gradients
    """
    from spikeport.toolchain.verbs.gradients import analyze_gradients

    with interruptible(_again):
        found = analyze_gradients(
            model, input, count=images, device=device, mean=numbers(mean), std=numbers(std), out=out
        )  # fmt: skip
    tell(found, json, wrote=f"{out}/gradients.json and {out}/gradients.svg" if out is not None else "", saved=saved)
