"""Pages of the site that are made: every public name, verb, option and constant is there, and links lead somewhere."""

import inspect
import os
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import msgspec
import pytest
import tomllib
import yaml
from typer.testing import CliRunner

import spikeport
from spikeport.export.executors import reference
from spikeport.hardware_profiles.profile import PROFILE_DIR
from spikeport.toolchain import cli
from spikeport.toolchain.recipes.extending import FOLDERS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
from site_pages import api, command, links, nav, profiles  # noqa: E402 - as mkdocs finds them

MADE = {**api.pages(), "reference/command.md": command.page(), **profiles.pages(), **links.texts()}
WRITTEN = {str(path.relative_to(ROOT / "docs")): path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md")}
PUBLIC = [name for name in spikeport.__all__ if name != "__version__"]
CLASSES = [name for name in PUBLIC if isinstance(getattr(spikeport, name), type)]
ERRORS_OF_NONE = {"executor_names", "format_names", "profile_names"}
"""Functions that take nothing and can refuse nothing."""


def test_every_public_name_has_its_place_once():
    entries = re.findall(r"(?m)^::: spikeport\.(\w+)$", "".join(MADE[page] for page in MADE if "/api/" in page))
    assert sorted(entries) == sorted(PUBLIC)


def test_a_public_name_without_a_place_is_refused(monkeypatch):
    monkeypatch.setattr(spikeport, "__all__", [*spikeport.__all__, "newcomer"])
    with pytest.raises(ValueError, match=r"api\.py and spikeport\.__all__ differ in newcomer"):
        api.pages()


def members(kind):
    """Return public methods and properties of a class that are written in spikeport."""
    for base in kind.__mro__:
        if base.__module__.startswith("spikeport"):
            for name, value in vars(base).items():
                function = getattr(value, "__func__", value)
                is_member = inspect.isfunction(function) or isinstance(value, property) or hasattr(value, "attrname")
                if is_member and not name.startswith("_"):
                    yield f"{base.__name__}.{name}", inspect.getdoc(function if inspect.isfunction(function) else value)


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_method_says_what_it_does(name):
    assert [member for member, text in members(getattr(spikeport, name)) if not text] == []


@pytest.mark.parametrize("name", CLASSES)
def test_every_field_stands_in_the_docstring(name):
    kind = getattr(spikeport, name)
    if issubclass(kind, msgspec.Struct):
        names = [field.name for field in msgspec.structs.fields(kind)]
    else:
        names = [field.name for field in fields(kind)] if is_dataclass(kind) else []
    text = inspect.getdoc(kind)
    code = " ".join((*re.findall(r"``(.+?)``", text, re.DOTALL), *re.findall(r"(?m)^    .*$", text)))
    assert [field for field in names if not re.search(rf"\b{field}\b", code)] == []


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in CLASSES and name not in ERRORS_OF_NONE])
def test_every_function_names_its_errors(name):
    text = inspect.getdoc(getattr(spikeport, name))
    found = re.findall(r"`(\w+(?:Error|Origin))`", text)
    assert found, f"{name}: the docstring names no error"
    errors = sys.modules["spikeport.export.errors"]
    for error in found:
        assert issubclass(getattr(errors, error), spikeport.SpikeportError), f"{name}: {error} is no error of spikeport"


@pytest.mark.parametrize("verb", [path for path, _ in command.verbs()])
def test_every_option_that_help_prints_is_in_the_reference(verb):
    help_ = CliRunner().invoke(cli.app, [*verb.split()[1:], "--help"], env={"COLUMNS": "300"})
    assert help_.exit_code == 0
    section = MADE["reference/command.md"].split(f"## `{verb}`")[1].split("\n## ")[0]
    options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", help_.stdout)) - {"--help"}
    assert {option for option in options if option not in section} == set()


def names(app, path):
    """Yield the path of every command and of every group of an application, as typer registered them."""
    for each in app.registered_commands:
        yield f"{path} {each.name or each.callback.__name__.replace('_', '-')}"
    for group in app.registered_groups:
        yield from names(group.typer_instance, f"{path} {group.name}")


def test_every_verb_is_in_the_reference():
    found = set(re.findall(r"(?m)^## `(spikeport [\w -]+)`", MADE["reference/command.md"]))
    hidden = {f"spikeport {each.name}" for each in cli.app.registered_commands if each.hidden}
    assert set(names(cli.app, "spikeport")) - hidden <= found
    assert len(found) > 15


def test_every_constant_of_every_profile_is_on_its_page():
    for path in PROFILE_DIR.glob("*.toml"):
        page = MADE[f"reference/profiles/{path.stem}.md"]
        for table, entries in tomllib.loads(path.read_text("utf-8")).items():
            for key, entry in entries.items() if isinstance(entries, dict) else ():
                (row,) = re.findall(rf"(?m)^\| `{key}` \|.*$", page.split(f"## `[{table}]`")[1].split("\n## ")[0])
                plain = re.sub(r"\]\(https://[^)]*\)", "", row).replace("[arXiv", "arXiv").replace("\\|", "|")
                for part in ("source", "evidence", "stated_as", "reading"):
                    assert entry.get(part, "") in plain, f"{path.stem}: {table}.{key} lacks its {part}"
                assert f"| {entry.get('unit', '')} |" in row or "unit" not in entry


def test_profiles_say_numbers_as_they_are():
    row = next(line for line in MADE["reference/profiles/loihi2.md"].splitlines() if "`message`" in line)
    assert row.startswith("| `message` | 1.7e-12 | J | scaled |")
    assert "| `neurons` | 8,192 | 1 | published |" in MADE["reference/profiles/loihi2.md"]


def test_rules_are_those_of_the_code():
    page = profiles.with_rules(WRITTEN["explanation/chip_rules.md"])
    assert "<!-- rules" not in page
    assert "| `accumulator` | Excitation and inhibition of a step each fit the accumulator |" in page


def test_the_neuron_is_explained_by_its_definition():
    equations = WRITTEN["explanation/integer_neuron.md"].split("## One step\n")[1].split("\nThe order")[0]
    defined = {line.strip() for line in (reference.__doc__ or "").splitlines()}
    assert [line for line in equations.splitlines() if line.strip() not in defined] == []


def test_there_is_an_example_of_every_kind_that_a_folder_adds():
    page = WRITTEN["contributing/kinds.md"]
    assert {name for name in FOLDERS if f"<!-- file: mine/{name}/" in page} == set(FOLDERS)


def test_links_lead_to_pages_that_are_written_or_made():
    run = {f"tutorials/{path.stem}.md": "" for path in (ROOT / "docs" / "tutorials").glob("*.py")}
    pages = {**WRITTEN, **MADE, **run}
    pages |= links.sources(pages.items())
    for page, text in pages.items():
        for target in links.LINK.findall(links.rewritten(text, page)):
            place = os.path.normpath(Path(page).parent / target)
            assert place in pages or (ROOT / "docs" / place).is_file(), f"{page}: {target}"


def test_a_link_out_of_docs_leads_to_a_page_with_the_file():
    text = "[x](../../toolchain/recipes/digits.toml), [y](../../CONTRIBUTING.md#a), [z](https://a.b/c)"
    assert links.rewritten(text, "howto/a.md") == (
        "[x](../source/toolchain/recipes/digits.toml.md), [y](../contributing/index.md#a), [z](https://a.b/c)"
    )
    made = links.sources([("howto/a.md", text)])
    assert list(made) == ["source/toolchain/recipes/digits.toml.md"]
    assert "````toml" in made["source/toolchain/recipes/digits.toml.md"]


def test_a_pattern_in_the_navigation_stands_for_the_pages_of_its_folder():
    given = ["index.md", "quick*.md", {"How to": ["howto/*.md"]}, {"None": ["none/*.md"]}]
    pages = ["howto/b.md", "howto/a.md", "howto/c.md", "index.md"]
    assert nav.expanded(given, pages, {"howto": ["c"]}) == [
        "index.md", {"How to": ["howto/c.md", "howto/a.md", "howto/b.md"]},
    ]  # fmt: skip


def test_every_page_is_in_the_navigation():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    pages = [*WRITTEN, *MADE]
    found = str(nav.expanded(config["nav"], pages, config["extra"]["order"]))
    assert [page for page in pages if f"'{page}'" not in found] == []


def test_nothing_is_loaded_from_elsewhere():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    assert config["theme"]["font"] is False
    assert not [value for key in ("extra_css", "extra_javascript") for value in config.get(key, []) if "//" in value]
