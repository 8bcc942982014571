"""The commands ``spikeport report`` and ``spikeport what-if``: what a network costs on a chip."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.toolchain.commands.options import (
    AnyFile,
    Chips,
    Input,
    Json,
    Network,
    Profiles,
    WeightBits,
    grouped,
    import_settings,
    names,
    reading,
    whole_numbers,
)
from spikeport.toolchain.commands.results import tell
from spikeport.toolchain.commands.saving import saving
from spikeport.toolchain.commands.simulate import source_of

CHIPS = ("loihi1", "loihi2")
Verify = Annotated[int, typer.Option(help="Images whose operations are counted in all three ways; 0: none.", min=0)]


@grouped(source=import_settings, reading=reading, saved=saving)
def report(
    network: AnyFile,
    input: Input = None,
    profile: Profiles = None,
    relative_to: Annotated[Path | None, typer.Option(help="Archive of the dense network, to compare with.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for report.html and report.json; earlier ones are written over.")
    ] = Path("report"),
    weight_bits: WeightBits = None,
    verify: Verify = 4,
    for_: Chips = None,
    float_: Annotated[
        Path | None,
        typer.Option("--float", help="Of integers: archive or checkpoint of the float network, to compare."),
    ] = None,
    raster: Annotated[str | None, typer.Option(help="Numbers of samples whose spikes are drawn, 0,5.")] = None,
    source: Any = None,
    reading: Any = None,
    saved: Any = None,
) -> None:
    """Count operations, place the network on cores, price it, and write the report.

    Example: spikeport report network.safetensors --input samples.npz --profile loihi2 --out report
    """
    from spikeport.toolchain.verbs import costs, networks

    opened, assumptions = networks.opened(network, source_of(network, source, reading))
    if input is None:
        from spikeport.toolchain.commands.wanted import samples_for

        raise samples_for(opened, network)
    done = costs.report(
        opened,
        input,
        profiles=profile or CHIPS,
        relative_to=relative_to,
        weight_bits=weight_bits,
        chips=names(for_),
        out=out,
        reading=reading,
        verify=verify,
        name=network.name,
        float_network=float_,
        rasters=() if raster is None else whole_numbers(raster),
    )
    text = "\n\n".join(["\n".join(assumptions)] * bool(assumptions) + [done.text()])
    tell(done, None, text, wrote=f"{out}/report.html and {out}/report.json", saved=saved)


@grouped(reading=reading, saved=saving)
def what_if(
    network: Network,
    input: Input = None,
    profile: Profiles = None,
    steps: Annotated[list[int] | None, typer.Option(help="Other number of steps; may be repeated.", min=1)] = None,
    sparsity: Annotated[list[float] | None, typer.Option(help="More zeros, 0 to 1; may be repeated.")] = None,
    encoding: Annotated[list[str] | None, typer.Option(help="dense, sparse, run_length or one_copy alone.")] = None,
    weight_bits: WeightBits = None,
    json: Json = None,
    reading: Any = None,
    saved: Any = None,
) -> None:
    """Say what a network would cost with other steps, more zeros or on another chip, without training.

    Example: spikeport what-if network.safetensors --input samples.npz --steps 4 --sparsity 0.9
    """
    from spikeport.toolchain.verbs import costs

    variations = costs.Variations(
        profiles=tuple(profile or CHIPS),
        steps=tuple(steps or ()),
        sparsities=tuple(sparsity or ()),
        encodings=tuple(encoding or ()),
        weight_bits=weight_bits,
    )
    if input is None:
        from spikeport.toolchain.commands.wanted import samples_for
        from spikeport.toolchain.verbs.sources import any_network

        raise samples_for(any_network(network), network)
    tell(costs.what_if(network, input, variations, reading=reading), json, saved=saved)
