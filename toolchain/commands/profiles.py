"""The commands ``spikeport profiles ...``: hardware profiles."""

from typing import Annotated

import typer

from spikeport.toolchain.commands import completion
from spikeport.toolchain.commands.options import Json
from spikeport.toolchain.commands.results import Words, tell

app = typer.Typer(help="Hardware profiles: chips as data.", invoke_without_command=True)


@app.callback()
def profiles(context: typer.Context, json: Json = None) -> None:
    """List the hardware profiles.

    Example: spikeport profiles
    """
    if context.invoked_subcommand is None:
        from spikeport.toolchain.verbs import profiles as verb

        tell(Words(words=verb.profile_list(), values=verb.descriptions()), json)


@app.command("show")
def profiles_show(
    name: Annotated[str, typer.Argument(help="Name or .toml file.", autocompletion=completion.profiles)],
    rules: Annotated[bool, typer.Option("--rules", help="The rules of its cores instead.")] = False,
    json: Json = None,
) -> None:
    """Print a profile's constants with their sources.

    Example: spikeport profiles show loihi1
    """
    from spikeport.toolchain.verbs import profiles as verb

    tell(Words(words=verb.show_profile(name, rules=rules), values=verb.profile_values(name)), json)
