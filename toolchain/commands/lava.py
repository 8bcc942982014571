"""The commands ``spikeport lava ...``: the environment in which Lava runs."""

from typing import Annotated

import typer

from spikeport.toolchain.commands.options import Json
from spikeport.toolchain.commands.results import tell

app = typer.Typer(help="The Python 3.10 environment for Intel's Lava.", no_args_is_help=True)


@app.command("install")
def lava_install(
    netx: Annotated[bool, typer.Option("--netx", help="Add lava-dl, 5.6 GB.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Make it anew.")] = False,
    json: Json = None,
) -> None:
    """Make the Lava environment with the Python 3.10 that is found.

    Example: spikeport lava install
    """
    from spikeport.toolchain.verbs import lava

    tell(lava.lava_install(netx=netx, force=force), json)


@app.command("doctor")
def lava_doctor(json: Json = None) -> None:
    """Examine the Lava environment and run a small network in it.

    Example: spikeport lava doctor
    """
    from spikeport.toolchain.verbs import lava

    tell(lava.lava_doctor(), json)
