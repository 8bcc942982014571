"""The command ``spikeport check``: whether all executors do the same."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.toolchain.commands.options import WRITING, Chips, Input, Json, Network, grouped, names, reading
from spikeport.toolchain.commands.results import tell


@grouped(reading=reading)
def check(
    network: Network,
    input: Input = None,
    random: Annotated[int, typer.Option(help="Number of random samples where no input is given.")] = 20,
    executors: Annotated[
        str, typer.Option(help="Comma-separated; one that cannot run the network is left out and named.")
    ] = "lava,onnx,nir",
    max_mismatches: Annotated[int, typer.Option(help="Differing neuron steps that still pass.")] = 0,
    unproven: Annotated[bool, typer.Option(help="Pass a network whose registers could overflow.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write as JUnit XML, too.", rich_help_panel=WRITING)] = None,
    json: Json = None,
    seed: Annotated[int, typer.Option(help="Seed of the random samples.")] = 0,
    require: Annotated[
        str | None,
        typer.Option(help="Executors that are compared, too; without them there is no verdict, but exit code 2."),
    ] = None,
    for_: Chips = None,
    reading: Any = None,
) -> None:
    """Compare executors with the fast (or floating) one, every neuron and every step; exit code 0 or 1.

    Example: spikeport check network.safetensors --executors onnx,nir
    """
    from spikeport.toolchain.verbs import checking

    settings = checking.CheckSettings(
        executors=names(executors),
        samples=random,
        seed=seed,
        max_mismatches=max_mismatches,
        unproven=unproven,
        require=names(require),
        chips=names(for_),
    )
    verdict = checking.check(network, input, settings=settings, reading=reading)
    if junit is not None:
        verdict.write_junit(junit, name=network.name)
    tell(verdict, json)
