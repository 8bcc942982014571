"""Options that several verbs of the command share: a group is a function, and what it returns reaches the verb.

The parameters of a group are options; `grouped` puts them in the place of one parameter of a verb.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from spikeport.export.cluster import Cluster
    from spikeport.export.stimulus import InputSettings
    from spikeport.toolchain.verbs.networks import ImportSettings


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
    typer.Option(help="auto, snntorch, norse, spikingjelly, sinabs, rockpool, spyx, lava-dl, nir; .net: lava, slayer."),
]
Dt = Annotated[float | None, typer.Option(help="NIR: length of a step, in the file's unit of time.")]
Reset = Annotated[str | None, typer.Option(help="NIR: hard, subtract, late, settle, pause or none.")]
Most = Annotated[str | None, typer.Option(help="NIR: most spikes a step, or any.")]
Floor = Annotated[str | None, typer.Option(help="NIR: least potential, a number, threshold (minus it) or none.")]
VReset = Annotated[str | None, typer.Option(help="NIR: what a spike sets the potential to.")]
TauSyn = Annotated[str | None, typer.Option(help="NIR: steps of a synaptic current that the file does not hold.")]
Normalized = Annotated[str | None, typer.Option(help="NIR: neurons with norm_input: LIF, LI, LIF,LI or none.")]
Rules = Annotated[list[str] | None, typer.Option("--rule", help="NIR: another rule, NAME=VALUE; may be repeated.")]
Steps = Annotated[int | None, typer.Option(help="NIR, .net: steps of a sample.")]


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
        bool, typer.Option("--guess", help="NIR: take the likeliest framework where several fit.")
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
        int | None, typer.Option(help="Input levels: 1 (spikes), 255 (pixels), or the largest count.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="NIR: the Output node that is meant, where there are several.")
    ] = None,
) -> "ImportSettings":
    """Return what a file of another framework does not say."""
    known = known_rules(dialect, dt, reset, most, floor, v_reset, tau_syn, normalized, rule, steps)
    return replace(known, guess=guess, levels=levels, output=output)


Bin = Annotated[str | None, typer.Option("--bin", help="Event lists: length of a step, for instance 1ms (us, ms, s).")]
Frames = Annotated[int | None, typer.Option(help="Event lists: number of equal bins.", min=1)]
Incomplete = Annotated[bool, typer.Option(help="Event lists: keep the last bin that a recording does not fill.")]

InputAs = Annotated[
    str | None,
    typer.Option(help="Pixels: bias (the host writes the first layer's sums), or spikes: poisson, latency, phase."),
]
EncoderSeed = Annotated[
    int | None, typer.Option(help="Seed of the spike encoder; without, the network's own, or 0.", min=0)
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
        str | None, typer.Option(help="What a number 1 of the input stands for: 1 (counts), 1/255 (pixels).")
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
    workers: Annotated[int, typer.Option(help="Processes of a local Dask cluster.", min=1)] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="For tls:// schedulers: who signed (PEM).")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="For tls:// schedulers: your certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="For tls:// schedulers: its key (PEM).")] = None,
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
