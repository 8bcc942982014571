"""The command ``spikeport simulate``: run a network, and keep what it does."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikeport.toolchain.commands.exits import again, interruptible
from spikeport.toolchain.commands.options import (
    GOING_ON,
    WRITING,
    AnyFile,
    Input,
    Json,
    cluster_of,
    grouped,
    import_settings,
    reading,
    sample_numbers,
)
from spikeport.toolchain.commands.results import tell

if TYPE_CHECKING:
    from spikeport.export.stimulus import InputSettings
    from spikeport.toolchain.verbs.networks import ImportSettings

SCORE = "What decides the class: count, last, mean, max; by itself spikes if the readout fires, else its potential."


def source_of(network: Path, source: "ImportSettings", reading: "InputSettings") -> "ImportSettings":
    """Return the settings of a file of another framework; without an encoder, the input's unit is its source's."""
    own = network.suffix == ".safetensors" or reading.encoder() is not None
    return source if own else replace(source, unit=reading.unit)


@grouped(cluster=cluster_of, source=import_settings, reading=reading)
def simulate(
    network: AnyFile,
    input: Input = None,
    executor: Annotated[str | None, typer.Option(help="fast, reference, onnx, nir, lava; floating.")] = None,
    score: Annotated[str | None, typer.Option(help=SCORE)] = None,
    count: Annotated[bool, typer.Option("--count", help="Count synaptic operations.")] = False,
    verify: Annotated[
        int | None, typer.Option(help="With --count: images counted in all three ways (4); 0: none.", min=0)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep classes and scores (.npz).", rich_help_panel=WRITING)] = None,
    save_spikes: Annotated[
        Path | None, typer.Option(help="Keep the spikes of every population (.npz).", rich_help_panel=WRITING)
    ] = None,
    probe: Annotated[
        list[str] | None,
        typer.Option(help="Keep current and potential of this layer; may be repeated.", rich_help_panel=WRITING),
    ] = None,
    save_probes: Annotated[
        Path | None, typer.Option(help="Where probes go (.npz); probes.npz without.", rich_help_panel=WRITING)
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(help="Samples whose spikes and probes are kept: 0,5,10-19; all without.", rich_help_panel=WRITING),
    ] = None,
    biases: Annotated[
        Path | None,
        typer.Option(help="Input as bias: keep what the host writes (.npz).", rich_help_panel=WRITING),
    ] = None,
    json: Json = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the finished parts of an interrupted run.", rich_help_panel=GOING_ON),
    ] = False,
    cluster: Any = None,
    source: Any = None,
    reading: Any = None,
) -> None:
    """Run a network on samples: classes, accuracy, operations, spikes. Without --input it says what it takes.

    Example: spikeport simulate network.safetensors --input samples.npz --save-spikes spikes.npz
    """
    from spikeport.toolchain.verbs import networks, simulation

    steps = source.steps if network.suffix == ".safetensors" else None
    settings = simulation.SimulationSettings(
        executor=executor,
        score=score,
        count=count,
        cluster=cluster,
        resume=resume,
        verify=verify,
        steps=steps,
        probe=tuple(probe or ()),
        samples=sample_numbers(samples),
    )
    told = source if steps is None else replace(source, steps=None)
    opened, assumptions = networks.opened(network, source_of(network, told, reading), out=out)
    if input is None:
        from spikeport.toolchain.commands.wanted import samples_for

        raise samples_for(opened, network)
    with interruptible(lambda: _going_on(out, saves=bool(save_spikes or probe))):
        done = simulation.simulate(
            opened,
            input,
            settings=settings,
            out=out,
            reading=reading,
            biases=biases,
            save_spikes=save_spikes,
            save_probes=save_probes or (Path("probes.npz") if probe else None),
        )
    tell(done, json, "\n".join([*assumptions, done.text()]))


def _going_on(out: Path | None, *, saves: bool) -> str:
    """Return the command that goes on, where finished parts were kept."""
    if saves:
        return f"a file of spikes or probes is made in one go; from the start: {again()}"
    if out is None:
        return (
            f"nothing is kept without --out; from the start, with finished parts kept: {again('--out', 'scores.npz')}"
        )
    return f"finished parts of 100 samples stay beside {out}; go on with: {again('--resume')}"
