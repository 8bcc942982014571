"""The command ``spikeport``: each verb reads its options, calls one function of `spikeport.toolchain.verbs`, prints."""

import os
from collections.abc import Callable
from typing import Annotated

import typer

from spikeport.toolchain.commands import (
    analyze,
    attack,
    check,
    cost,
    exits,
    lava,
    network,
    profiles,
    recipe,
    simulate,
)

BRING, MAKE, EXACT = "Bring networks in", "Make and train", "Make exact, run and compare"
COSTS, ROBUSTNESS, ENVIRONMENT = "What it costs", "Robustness", "Environment"
PANELS: dict[str, dict[str, Callable[..., None]]] = {
    BRING: {
        "import": network.import_network,
        "identify": network.identify,
        "convert": network.convert,
    },
    MAKE: {"run": recipe.run, "demo": recipe.demo},
    EXACT: {
        "quantize": network.quantize,
        "export": network.export,
        "simulate": simulate.simulate,
        "check": check.check,
    },
    COSTS: {"report": cost.report, "what-if": cost.what_if},
    ROBUSTNESS: {"attack": attack.attack},
}
"""The verbs by what people do; the order is that of ``spikeport --help``."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Take a sparse, robust spiking network to Loihi integers, NIR, ONNX and Lava, and say what it costs.",
)
for panel, verbs in PANELS.items():
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=panel)(verb)
app.add_typer(profiles.app, name="profiles", rich_help_panel=COSTS)
app.add_typer(analyze.app, name="analyze", rich_help_panel=ROBUSTNESS)
app.add_typer(lava.app, name="lava", rich_help_panel=ENVIRONMENT)


def _version(*, wanted: bool) -> None:
    """Print the versions and leave."""
    if wanted:
        from spikeport.toolchain.commands.version import version

        exits.say(version())
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print versions and exit.")
    ] = False,
) -> None:
    """Take a sparse, robust spiking network to Loihi integers, NIR, ONNX and Lava, and say what it costs."""


def main() -> None:
    """Run the command; `spikeport.toolchain.commands.exits` has the table of its exit codes.

    Threads of PyTorch that wait for each other sleep after 20,000 rounds, unless the environment says otherwise. GNU
    OpenMP's 300,000 can take several times the processor time of the work on a busy machine; none at all halves the
    speed on a quiet one.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    exits.run(app)


if __name__ == "__main__":
    main()
