"""The commands ``spikeport run`` and ``spikeport demo``: train and make networks by a recipe."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.toolchain.commands import completion
from spikeport.toolchain.commands.exits import again, interruptible
from spikeport.toolchain.commands.options import GOING_ON, WRITING, Device, Json, cluster_of, grouped
from spikeport.toolchain.commands.results import tell
from spikeport.toolchain.commands.saving import saving

CLOCK_SECONDS = 1.0
"""By how much a file system's clock may lag behind the processor's."""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo"),
    fast: Annotated[bool, typer.Option("--fast", help="One epoch a stage on 40 held-out images.")] = False,
    json: Json = None,
) -> None:
    """Take the embedded digits through every stage and print what came out.

    Example: spikeport demo --fast
    """
    from spikeport.toolchain.verbs import recipes

    with interruptible(again):
        done = recipes.demo(out, fast=fast)
    tell(done, json)


@grouped(cluster=cluster_of, saved=saving)
def run(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Recipe (.toml), or the name of one that comes along; they are listed without.",
            autocompletion=completion.recipes,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the artefacts.")] = Path("run"),
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="stages.dense.training.epochs=2: another value; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the recipe's seed.", min=0)] = None,
    device: Device = "auto",
    verify: Annotated[
        int | None, typer.Option(help="Images whose operations are counted in all three ways; 0: none.", min=0)
    ] = None,
    extend: Annotated[
        list[Path] | None, typer.Option(help="Folder with choices of your own, run as Python code; may be repeated.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in --out, whose recipe it holds.", rich_help_panel=GOING_ON),
    ] = False,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Stage to run again; the ones before it are done.", rich_help_panel=GOING_ON),
    ] = None,
    to: Annotated[str | None, typer.Option(help="Last stage.", rich_help_panel=GOING_ON)] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would run, why, and about how long.", rich_help_panel=GOING_ON),
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(help="With --dry-run: write the recipe as it would run (.toml).", rich_help_panel=WRITING),
    ] = None,
    json: Json = None,
    cluster: Any = None,
    saved: Any = None,
) -> None:
    """Run the stages of a recipe; what is done and unchanged is skipped. A recipe with a matrix gives a table.

    Example: spikeport run digits --set stages.dense.training.epochs=2 --out run
    """
    from spikeport.toolchain.verbs import recipes

    settings = recipes.RunSettings(
        settings=set_ or (), seed=seed, device=device, verify=verify, extend=extend or (), cluster=cluster
    )
    if write is not None and not dry_run:
        raise typer.BadParameter("--write goes with --dry-run")
    if dry_run:
        forecast = recipes.forecast(recipe, out, from_=from_, to=to, resume=resume, settings=settings, write=write)
        tell(forecast, json)
        return
    started = time.time()
    with interruptible(lambda: _going_on(out, to, extend or (), started)):
        done = recipes.run(recipe, out, from_=from_, to=to, resume=resume, settings=settings)
    tell(done, json, saved=saved)


def _going_on(out: Path, to: str | None, extend: Sequence[Path], started: float) -> str:
    """Return the command that goes on: the run's own file holds its recipe, once it is written."""
    from spikeport.toolchain.runs.surroundings import NAME

    file = out / NAME
    if not file.is_file() or file.stat().st_mtime < started - CLOCK_SECONDS:
        return f"no stage has begun; from the start: {again()}"
    last = [] if to is None else ["--to", to]
    folders = [word for each in extend for word in ("--extend", str(each))]
    words = shlex.join(["spikeport", "run", "--resume", "--out", str(out), *last, *folders])
    return f"stages that are done stay; go on with: {words}"
