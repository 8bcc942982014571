"""The commands ``spikeport profiles ...``: hardware profiles."""

from typing import Annotated

import typer

from spikeport.toolchain.exits import say

app = typer.Typer(help="Hardware profiles: chips as data.", invoke_without_command=True)


@app.callback()
def profiles(context: typer.Context) -> None:
    """List the hardware profiles."""
    if context.invoked_subcommand is None:
        from spikeport.toolchain.verbs import profiles as verb

        say(verb.profile_list())


@app.command("show")
def profiles_show(
    name: Annotated[str, typer.Argument(help="Name or .toml file.")],
    rules: Annotated[bool, typer.Option(help="The rules of its cores instead.")] = False,
) -> None:
    """Print a profile's constants with their sources."""
    from spikeport.toolchain.verbs import profiles as verb

    say(verb.show_profile(name, rules=rules))
