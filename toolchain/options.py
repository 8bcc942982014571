"""Options that several verbs of the command share: a group is a function, and what it returns reaches the verb.

The parameters of a group are options; `grouped` puts them in the place of one parameter of a verb.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
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


def import_settings(
    dialect: Annotated[
        str, typer.Option(help="auto, snntorch, norse, spikingjelly, sinabs, nir; .net: lava, slayer.")
    ] = "auto",
    dt: Annotated[float | None, typer.Option(help="NIR: length of a step, in the file's unit of time.")] = None,
    reset: Annotated[str | None, typer.Option(help="NIR: hard, subtract, late, settle, pause or none.")] = None,
    most: Annotated[int | None, typer.Option(help="NIR: most spikes a step.")] = None,
    steps: Annotated[int | None, typer.Option(help="NIR, .net: steps of a sample.")] = None,
    levels: Annotated[
        int | None, typer.Option(help="Input levels: 1 (spikes), 255 (pixels), or the largest count.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="NIR: the Output node that is meant, where there are several.")
    ] = None,
) -> "ImportSettings":
    """Return what a file of another framework does not say."""
    from spikeport.toolchain.verbs.networks import ImportSettings

    return ImportSettings(dialect=dialect, dt=dt, reset=reset, most=most, steps=steps, levels=levels, output=output)


Bin = Annotated[str | None, typer.Option("--bin", help="Event lists: length of a step, for instance 1ms (us, ms, s).")]
Frames = Annotated[int | None, typer.Option(help="Event lists: number of equal bins.", min=1)]
Incomplete = Annotated[bool, typer.Option(help="Event lists: keep the last bin that a recording does not fill.")]


def bins(bin_: Bin = None, frames: Frames = None, incomplete: Incomplete = False) -> "InputSettings":
    """Return how event lists become steps."""
    from spikeport.export.stimulus import InputSettings

    return InputSettings(bin=bin_, frames=frames, incomplete=incomplete)


def reading(
    unit: Annotated[
        str | None, typer.Option(help="What a number 1 of the input stands for: 1 (counts), 1/255 (pixels).")
    ] = None,
    bin_: Bin = None,
    frames: Frames = None,
    incomplete: Incomplete = False,
) -> "InputSettings":
    """Return how the input is read: what its numbers stand for, and how event lists become steps."""
    return replace(bins(bin_, frames, incomplete), unit=number(unit))


def number(text: str | None) -> float | None:
    """Return what a text such as 0.5 or 1/255 says."""
    from spikeport.export.stimulus.settings import ratio

    return None if text is None else ratio(text)
