"""Options that several verbs of the command share: a group is a function, and what it returns reaches the verb.

The parameters of a group are options; `grouped` puts them in the place of one parameter of a verb. The names of panels
stand over the options in a verb's help.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikeport.toolchain.commands import completion

if TYPE_CHECKING:
    from spikeport.export.cluster import Cluster
    from spikeport.export.stimulus import InputSettings
    from spikeport.toolchain.verbs.networks import ImportSettings


READING, SOURCE = "How the input is read", "What a file of another framework does not say"
CLUSTER, WRITING, GOING_ON = "Several processes", "Files to write", "Which part of the work"
MOST_SAMPLES = 10**6
FOR = "Chips, comma-separated, that have to run the network: names or .toml files."


def names(text: str | None) -> tuple[str, ...]:
    """Return the parts of a comma-separated option."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _writable(path: Path | None) -> Path | None:
    """Return where a file is to be written; refuse a place that takes none before the work begins."""
    if path is not None:
        from spikeport.export.files import check_place

        check_place(path)
    return path


Json = Annotated[
    Path | None,
    typer.Option(help="Write the result as JSON, too.", rich_help_panel=WRITING, callback=_writable),
]
Input = Annotated[
    Path | None,
    typer.Option("--input", help="Samples: .npz, .npy, .pt, .hdf5, .aedat4, or a folder with a file for each."),
]
AnyFile = Annotated[Path, typer.Argument(help="Archive (.safetensors), NIR (.nir) or lava-dl (.net).")]
Network = Annotated[Path, typer.Argument(help="Archive (.safetensors).")]
Profiles = Annotated[
    list[str] | None,
    typer.Option(help="Chip: name or .toml file; may be repeated.", autocompletion=completion.profiles),
]
Chips = Annotated[str | None, typer.Option("--for", help=FOR, autocompletion=completion.profiles)]
Mean = Annotated[str | None, typer.Option(help="Of the training: one number, or one a channel, a,b,c.")]
Std = Annotated[str | None, typer.Option(help="Of the training: one number, or one a channel, a,b,c.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Seed = Annotated[int, typer.Option(help="Of all random numbers.", min=0)]
ImageCount = Annotated[int | None, typer.Option(help="So many of the input; all without.")]
WeightBits = Annotated[int | None, typer.Option(help="Float networks: bits of a weight on the chip (8).")]
Unit = Annotated[
    str | None,
    typer.Option(help="What a level stands for: 1 (counts); 1/levels without.", rich_help_panel=SOURCE),
]


def grouped(**groups: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator: the parameters of a verb that have a group's name are made by it, from its own options."""

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        options = {name: inspect.signature(group).parameters for name, group in groups.items()}
        own = [p for p in inspect.signature(verb).parameters.values() if p.name not in groups]

        @wraps(verb)
        def run(**given: Any) -> None:
            made = {name: group(**{key: given.pop(key) for key in options[name]}) for name, group in groups.items()}
            verb(**given, **made)

        parameters = [*own, *(option for group in options.values() for option in group.values())]
        del run.__wrapped__  # typer looks at the signature of what is wrapped
        run.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


Dialect = Annotated[
    str,
    typer.Option(
        help="auto, snntorch, norse, spikingjelly, sinabs, rockpool, spyx, lava-dl, nir; .net: lava, slayer (lava-dl "
        "0.4.0 and newer), slayer-0.3 (older).",
        rich_help_panel=SOURCE,
    ),
]
Dt = Annotated[
    float | None, typer.Option(help="NIR: length of a step, in the file's unit of time.", rich_help_panel=SOURCE)
]
Reset = Annotated[
    str | None, typer.Option(help="NIR: hard, subtract, late, settle, pause or none.", rich_help_panel=SOURCE)
]
Most = Annotated[str | None, typer.Option(help="NIR: most spikes a step, or any.", rich_help_panel=SOURCE)]
Floor = Annotated[
    str | None,
    typer.Option(help="NIR: least potential, a number, threshold (minus it) or none.", rich_help_panel=SOURCE),
]
VReset = Annotated[str | None, typer.Option(help="NIR: what a spike sets the potential to.", rich_help_panel=SOURCE)]
TauSyn = Annotated[
    str | None,
    typer.Option(help="NIR: steps of a synaptic current that the file does not hold.", rich_help_panel=SOURCE),
]
Normalized = Annotated[
    str | None, typer.Option(help="NIR: neurons with norm_input: LIF, LI, LIF,LI or none.", rich_help_panel=SOURCE)
]
Rules = Annotated[
    list[str] | None,
    typer.Option("--rule", help="NIR: another rule, NAME=VALUE; may be repeated.", rich_help_panel=SOURCE),
]
Steps = Annotated[
    int | None,
    typer.Option(
        help="T, the steps of a sample: of NIR and .net; simulate: also in place of an archive's.",
        rich_help_panel=SOURCE,
    ),
]


def known_rules(
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
) -> "ImportSettings":
    """Return what is known of the rules of a file of another framework."""
    from spikeport.toolchain.verbs.networks import ImportSettings
    from spikeport.toolchain.verbs.rules import by_name

    numbers = {"dt": dt, "most": most, "floor": floor, "v_reset": v_reset, "tau_syn": tau_syn}
    words: dict[str, Any] = {"dialect": dialect, "reset": reset, "normalized": normalized, "steps": steps}
    return ImportSettings(**numbers, **words, rules=by_name(rule or ()))  # type: ignore[arg-type]


def import_settings(
    dialect: Dialect = "auto",
    guess: Annotated[
        bool,
        typer.Option("--guess", help="NIR: take the likeliest framework where several fit.", rich_help_panel=SOURCE),
    ] = False,
    dt: Dt = None,
    reset: Reset = None,
    most: Most = None,
    floor: Floor = None,
    v_reset: VReset = None,
    tau_syn: TauSyn = None,
    normalized: Normalized = None,
    rule: Rules = None,
    steps: Steps = None,
    levels: Annotated[
        int | None,
        typer.Option(help="Input levels: 1 (spikes), 255 (pixels), or the largest count.", rich_help_panel=SOURCE),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(help="NIR: the Output node that is meant, where there are several.", rich_help_panel=SOURCE),
    ] = None,
) -> "ImportSettings":
    """Return what a file of another framework does not say."""
    known = known_rules(dialect, dt, reset, most, floor, v_reset, tau_syn, normalized, rule, steps)
    return replace(known, guess=guess, levels=levels, output=output)


Bin = Annotated[
    str | None,
    typer.Option("--bin", help="Event lists: length of a step, for instance 1ms (us, ms, s).", rich_help_panel=READING),
]
Frames = Annotated[int | None, typer.Option(help="Event lists: number of equal bins.", rich_help_panel=READING, min=1)]
Incomplete = Annotated[
    bool, typer.Option(help="Event lists: keep the last bin that a recording does not fill.", rich_help_panel=READING)
]

InputAs = Annotated[
    str | None,
    typer.Option(
        help="Pixels: bias (the host writes the first layer's sums), or spikes: poisson, latency, phase.",
        rich_help_panel=READING,
    ),
]
EncoderSeed = Annotated[
    int | None,
    typer.Option(help="Seed of the spike encoder; without, the network's own, or 0.", rich_help_panel=READING, min=0),
]


def bins(
    bin_: Bin = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
    input_as: InputAs = None,
    encoder_seed: EncoderSeed = None,
) -> "InputSettings":
    """Return how event lists become steps, and pixels spikes."""
    from spikeport.export.stimulus import InputSettings

    return InputSettings(bin=bin_, frames=frames, incomplete=incomplete, input_as=input_as, encoder_seed=encoder_seed)


def reading(
    unit: Annotated[
        str | None,
        typer.Option(
            help="What a number 1 of the input stands for: 1 (counts), 1/255 (pixels).", rich_help_panel=READING
        ),
    ] = None,
    bin_: Bin = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
    input_as: InputAs = None,
    encoder_seed: EncoderSeed = None,
) -> "InputSettings":
    """Return how the input is read: what its numbers stand for, how event lists become steps, and pixels spikes."""
    return replace(bins(bin_, frames, incomplete, input_as, encoder_seed), unit=number(unit))


def cluster_of(
    workers: Annotated[
        int, typer.Option(help="Processes of a local Dask cluster.", rich_help_panel=CLUSTER, min=1)
    ] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.", rich_help_panel=CLUSTER)] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(help="For tls:// schedulers: who signed (PEM).", rich_help_panel=CLUSTER)
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="For tls:// schedulers: your certificate (PEM).", rich_help_panel=CLUSTER)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="For tls:// schedulers: its key (PEM).", rich_help_panel=CLUSTER)
    ] = None,
) -> "Cluster | None":
    """Return the Dask cluster that the work goes to, None for this process alone."""
    from spikeport.export.cluster import Cluster, Tls

    files = [tls_ca, tls_cert, tls_key]
    given = [path for path in files if path is not None]
    if len(given) not in (0, len(files)):
        raise typer.BadParameter("--tls-ca, --tls-cert and --tls-key go together")
    tls = Tls(ca=given[0], cert=given[1], key=given[2]) if given else None
    return Cluster(address=scheduler, workers=workers, tls=tls) if scheduler or workers > 1 or tls else None


def number(text: str | None) -> float | None:
    """Return what a text such as 0.5 or 1/255 says."""
    from spikeport.export.stimulus.settings import ratio

    return None if text is None else ratio(text)


def numbers(text: str | None) -> tuple[float, ...] | None:
    """Return what a text such as 0.5 or 0.485,0.456,0.406 says."""
    from spikeport.export.errors import StimulusError
    from spikeport.export.stimulus.settings import ratio

    try:
        return None if text is None else tuple(ratio(part) for part in text.split(","))
    except StimulusError:
        raise typer.BadParameter(f"{text!r} is no list of numbers, for instance 0.5 or 0.485,0.456,0.406") from None


def whole_numbers(text: str) -> tuple[int, ...]:
    """Return what a text such as 7,10,20 says."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of whole numbers, for instance 7,10,20") from None


def sample_numbers(text: str | None) -> tuple[int, ...] | None:
    """Return what a text such as 0,5,10-19 says."""
    if text is None:
        return None
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", part, re.ASCII)
        if match is None:
            raise typer.BadParameter(f"{text!r} are no numbers of samples, for instance 0,5,10-19")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first > MOST_SAMPLES:
            raise typer.BadParameter(f"{part!r}: expected first and last number of at most {MOST_SAMPLES:,} samples")
        found += range(first, last + 1)
    return tuple(found)
