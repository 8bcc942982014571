"""The commands that bring a network in and make it exact: import, identify, convert, quantize, export."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.toolchain.commands.options import (
    Chips,
    Json,
    Mean,
    Network,
    Std,
    Unit,
    bins,
    grouped,
    import_settings,
    known_rules,
    names,
    number,
    numbers,
)
from spikeport.toolchain.commands.results import tell


@grouped(source=import_settings)
def import_network(
    network: Annotated[Path, typer.Argument(help="NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    unit: Unit = None,
    json: Json = None,
    source: Any = None,
) -> None:
    """Read another framework's network, say how it was understood, and keep it as it is.

    Example: spikeport import model.nir --dialect snntorch --steps 16 --out network.safetensors
    """
    from spikeport.toolchain.verbs import networks

    settings = replace(source, unit=number(unit))
    tell(networks.import_network(network, settings=settings, out=out), json)


@grouped(known=known_rules)
def identify(
    network: Annotated[Path, typer.Argument(help="NIR (.nir).")],
    input: Annotated[Path, typer.Option("--input", help="Recorded input: .npz with 'input', or .npy.")],
    output: Annotated[
        Path, typer.Option("--output", help="Recorded output: .npz of layers by name, or .npy of the last.")
    ],
    json: Json = None,
    known: Any = None,
) -> None:
    """Find the rules with which another framework turned the input into the output; exit code 0 or 1.

    Example: spikeport identify model.nir --input x.npz --output y.npz
    """
    from spikeport.toolchain.verbs import identify as verb

    done = verb.identify(network, input, output, settings=known)
    tell(done, json)


def convert(
    model: Annotated[Path, typer.Argument(help="ReLU network: .pt2 (torch.export.save), .onnx, .safetensors.")],
    calibration: Annotated[Path, typer.Option(help="Images that set the thresholds: pixels, as --input.")],
    out: Annotated[Path, typer.Option(help="Archive to write: of integers with --weight-bits, else of floats.")],
    steps: Annotated[int, typer.Option(help="T, the steps of a sample.")] = 32,
    sparsity: Annotated[float, typer.Option(help="Share of every layer's weights that become zero first.")] = 0.0,
    input: Annotated[Path | None, typer.Option("--input", help="Images with labels for the accuracy.")] = None,
    weight_bits: Annotated[int | None, typer.Option(help="Bits of a weight, 2 to 8: integers.")] = None,
    mean: Mean = None,
    std: Std = None,
    percentile: Annotated[
        float | None,
        typer.Option(
            help="A layer's threshold is this percentile of its activations; without, 99, 99.9 and 100 are tried."
        ),
    ] = None,
    shift: Annotated[
        float | None,
        typer.Option(help="A neuron's bias adds so many thresholds to a sample; without, 0, 0.25 and 0.5 are tried."),
    ] = None,
    threshold_scale: Annotated[float, typer.Option(help="Multiplies all thresholds.")] = 1.0,
    reset: Annotated[str, typer.Option(help="subtractive or hard.")] = "subtractive",
    max_pooling: Annotated[str, typer.Option(help="relu (exact rates) or spikes (any in a window).")] = "relu",
    images: Annotated[int, typer.Option(help="Calibration images on which thresholds are tried.")] = 300,
    json: Json = None,
) -> None:
    """Turn a trained ReLU network into a spiking one, without training it again.

    Example: spikeport convert model.onnx --calibration images.npz --weight-bits 8 --out network.safetensors
    """
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
    tell(done, json)


@grouped(source=import_settings, reading=bins)
def quantize(
    network: Annotated[Path, typer.Argument(help="Float archive (.safetensors), NIR (.nir) or lava-dl (.net).")],
    out: Annotated[Path, typer.Option(help="Archive to write.")],
    weight_bits: Annotated[int, typer.Option(help="2 to 8, with the sign.")] = 8,
    calibration: Annotated[Path | None, typer.Option(help="Samples that choose the scales, as --input.")] = None,
    for_: Chips = None,
    unit: Unit = None,
    json: Json = None,
    source: Any = None,
    reading: Any = None,
) -> None:
    """Turn a float network into integers with a proof that no register overflows; exit code 1 where --for fails.

    Example: spikeport quantize model.nir --steps 16 --calibration samples.npz --out network.safetensors
    """
    from spikeport.toolchain.verbs import networks

    settings = networks.QuantizeSettings(weight_bits=weight_bits, source=replace(source, unit=number(unit)))
    done = networks.quantize(
        network, calibration=calibration, settings=settings, target=names(for_), out=out, reading=reading
    )
    tell(done, json)


def export(
    network: Network,
    to: Annotated[
        str, typer.Option(help="nir, nir-portable, onnx, netx, lava-job, loihi1, archive; onnx-float, nir-float.")
    ],
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
    input_as: Annotated[str | None, typer.Option(help="bias: the host writes the first layer's sums.")] = None,
    json: Json = None,
) -> None:
    """Write a network in another format.

    Example: spikeport export network.safetensors --to nir --out network.nir
    """
    from spikeport.toolchain.verbs import networks

    tell(networks.export_network(network, out, to=to, input_as=input_as), json)
