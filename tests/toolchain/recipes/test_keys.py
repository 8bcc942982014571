"""The manual's tables of keys are those of the types."""

from pathlib import Path

import pytest

from spikeport.toolchain.choices import kinds
from spikeport.toolchain.nn.encoders.encoder import Encoder
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate
from spikeport.toolchain.pruning.pruner import Pruner
from spikeport.toolchain.recipes.keys import END, START, shown, tables, with_tables
from spikeport.toolchain.stages.stage import Stage
from spikeport.toolchain.tables import base_choices

PAGE = Path(__file__).parents[3] / "docs" / "recipes.md"


def test_the_manual_has_todays_keys():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "run python -m spikeport.toolchain.recipes.keys docs/recipes.md"


def test_every_stage_and_every_choice_has_a_table():
    text = tables()
    for tag, stage in kinds(Stage).items():
        assert f'### `stage = "{tag}"`' in text
        for key in set(stage.__struct_fields__) - {"name", "from_", "title"}:
            assert f"| `{key}` |" in text
    for base in (Pruner, Encoder, Surrogate):
        assert base in base_choices(Stage) or base in (Encoder, Surrogate)
        for tag in kinds(base):
            assert f'{base.__name__.lower()} `"{tag}"`' in text


def test_tables_stand_between_their_marks_whatever_stood_there():
    page = f"before\n{START}\nold\n{END}\nafter\n"
    assert with_tables(with_tables(page)) == with_tables(page)
    assert with_tables(page).startswith(f"before\n{START}\n\n### ")
    assert with_tables(page).endswith(f"\n{END}\nafter\n")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (int, "whole number"),
        (float | None, "number"),
        (tuple[str, ...], "list of text"),
        (dict[str, int], "table"),
        (Pruner, "pruner (`kind`)"),
    ],
)
def test_types_are_said_in_words(kind, expected):
    assert shown(kind) == expected
