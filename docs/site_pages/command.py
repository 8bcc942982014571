"""The page of the command: every verb, argument and option, read from the typer application that runs."""

from collections.abc import Iterator
from typing import Any

import typer

from spikeport.toolchain.cli import app
from spikeport.toolchain.commands import exits


def verbs() -> Iterator[tuple[str, Any]]:
    """Yield every command that runs, 'spikeport analyze thresholds', with its object; groups that run are commands."""
    yield from _below("spikeport", typer.main.get_command(app))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if command.callback is not None and (not children or command.invoke_without_command) and path != "spikeport":
        yield path, command
    for name, child in children.items():
        if not child.hidden:
            yield from _below(f"{path} {name}", child)


def page() -> str:
    """Return the page."""
    text = (
        "# The command\n\nEvery verb is also a function of the [Python interface](api/index.md). "
        "`spikeport VERB --help` prints the same options.\n\n"
    )
    return text + "\n".join((*_own(), *(_verb(path, command) for path, command in verbs()), _codes()))


def _own() -> Iterator[str]:
    """Yield the options of `spikeport` itself, if it has any beside --help."""
    own = _options(typer.main.get_command(app))
    if own:
        yield "\n".join(("## `spikeport`", "", *own, ""))


def _verb(path: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join((path, *(_metavar(each) for each in arguments), "[OPTIONS]"))
    anchor = path.removeprefix("spikeport ").replace(" ", "-")
    lines = [f"## `{path}` {{ #{anchor} }}", "", _cell(command.help or ""), "", f"```text\n{usage}\n```", ""]
    if arguments:
        lines += ["| argument | what it is |", "| --- | --- |"]
        lines += [f"| `{_metavar(each)}` | {_cell(each.help or '')} |" for each in arguments]
        lines.append("")
    return "\n".join((*lines, *_options(command), ""))


def _options(command: Any) -> list[str]:
    context = command.make_context(command.name, [], resilient_parsing=True)
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    rows = [_row(*each.get_help_record(context)) for each in options]
    return ["| option | what it does |", "| --- | --- |", *rows] if rows else []


def _row(names: str, text: str) -> str:
    """Return the row of an option from what --help prints of it: names and value, text and what stands in [...]."""
    said, _, facts = text.partition("  [") if "  [" in text else (text, "", "")
    told = f" *{_cell(facts.removesuffix(']').replace('; ', ', '))}*" if facts else ""
    return f"| `{names}` | {_cell(said)}{told} |"


def _metavar(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper()
    return name if argument.required else f"[{name}]"


def _codes() -> str:
    """Return the table of exit codes, which the module of exits has in its docstring."""
    rows = [line.split(maxsplit=1) for line in (exits.__doc__ or "").splitlines() if line[:1].isdigit()]
    lines = [f"| {code} | {_cell(text.replace('``', '`'))} |" for code, text in rows]
    return "\n".join(("## Exit codes", "", "| code | meaning |", "| --- | --- |", *lines, ""))


def _cell(text: str) -> str:
    """Return a help text on one line of a table; angle brackets and bars are no markup."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
