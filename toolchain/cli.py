"""The command ``spikeport``: each verb reads its options, calls one function of `spikeport.toolchain.verbs`, prints."""

import os
from collections.abc import Callable
from typing import Annotated

import typer

from spikeport.toolchain import (
    analyze_command,
    attack_command,
    check_command,
    cost_command,
    exits,
    lava_command,
    network_command,
    profiles_command,
    recipe_command,
    simulate_command,
)

BRING, MAKE, EXACT = "Bring networks in", "Make and train", "Make exact, run and compare"
COSTS, ROBUSTNESS, ENVIRONMENT = "What it costs", "Robustness", "Environment"
PANELS: dict[str, dict[str, Callable[..., None]]] = {
    BRING: {
        "import": network_command.import_network,
        "identify": network_command.identify,
        "convert": network_command.convert,
    },
    MAKE: {"run": recipe_command.run, "demo": recipe_command.demo},
    EXACT: {
        "quantize": network_command.quantize,
        "export": network_command.export,
        "simulate": simulate_command.simulate,
        "check": check_command.check,
    },
    COSTS: {"report": cost_command.report, "what-if": cost_command.what_if},
    ROBUSTNESS: {"attack": attack_command.attack},
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
app.add_typer(profiles_command.app, name="profiles", rich_help_panel=COSTS)
app.add_typer(analyze_command.app, name="analyze", rich_help_panel=ROBUSTNESS)
app.add_typer(lava_command.app, name="lava", rich_help_panel=ENVIRONMENT)


def _version(*, wanted: bool) -> None:
    """Print the versions and leave."""
    if wanted:
        from spikeport.toolchain.version import version

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
    """Run the command; `spikeport.toolchain.exits` has the table of its exit codes.

    Threads of PyTorch that wait for each other sleep after 20,000 rounds, unless the environment says otherwise. GNU
    OpenMP's 300,000 can take several times the processor time of the work on a busy machine; none at all halves the
    speed on a quiet one.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    exits.run(app)


if __name__ == "__main__":
    main()
