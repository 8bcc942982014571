"""A group of options stands in a verb's place of one parameter."""

import inspect
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from spikeport.export.stimulus import InputSettings
from spikeport.toolchain.commands.options import bins, grouped, import_settings, reading
from spikeport.toolchain.verbs.networks import ImportSettings


def test_verb_gets_what_its_groups_make_of_their_options():
    app, seen = typer.Typer(), []

    @app.command()
    @grouped(pair=lambda: None)
    def plain(pair: Any = None) -> None:
        seen.append(pair)

    def make(
        left: Annotated[int, typer.Option(help="one")] = 1, right: Annotated[int, typer.Option(help="two")] = 2
    ) -> tuple[int, int]:
        return left, right

    other = typer.Typer()

    @other.command()
    @grouped(pair=make)
    def verb(name: str, pair: Any = None, last: Annotated[int, typer.Option(help="own")] = 0) -> None:
        seen.append((name, pair, last))

    runner = CliRunner()
    assert runner.invoke(app, []).exit_code == 0
    assert runner.invoke(other, ["a", "--right", "5", "--last", "7"]).exit_code == 0
    assert runner.invoke(other, ["b"]).exit_code == 0
    assert seen == [None, ("a", (1, 5), 7), ("b", (1, 2), 0)]
    assert runner.invoke(other, ["b", "--pair", "1"]).exit_code == 2


def test_groups_without_options_give_the_default_settings():
    assert import_settings() == ImportSettings()
    assert reading() == bins() == InputSettings()
    assert reading(unit="1/255").unit == 1 / 255
    assert set(inspect.signature(reading).parameters) == {"unit", *inspect.signature(bins).parameters}
