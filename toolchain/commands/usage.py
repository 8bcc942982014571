"""What a verb says of a command line that it does not take: the option, what is wrong, and a line that would do.

The errors are typer's, which builds them from click or from a copy of it of its own: they are known by the names of
their classes and fields.
"""

import itertools
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

WORDS = (
    (r"Input should be a valid integer.*", "expected a whole number"),
    (r"Input should be a valid number.*", "expected a number"),
    (r"Input should be (.*)", r"expected a number \1"),
    (r"Got unexpected extra argument\S* \((.*)\)", r"more arguments than the verb takes: \1"),
    (r"Option '(.*)' requires an argument", r"\1 is given without a value"),
    (r"Option '(.*)' does not take a value", r"\1 takes no value"),
    (r"No such command ('.*')\. Did you mean (.*)\?", r"no verb \1; did you mean \2?"),
    (r"No such command ('.*')", r"no verb \1"),
)
"""Sentences of typer, and ours."""


def sentence(error: Any) -> str:
    """Return what is wrong with the command line, as one sentence."""
    kind, verb = type(error).__name__, _verb(error.ctx)
    parameter = getattr(error, "param", None)
    if kind == "MissingParameter" and parameter is not None:
        return _missing(error, verb)
    if kind == "NoSuchOption":
        return f"no option {error.option_name}{_instead(error.possibilities)}{_help(error.ctx, verb)}"
    if parameter is not None:
        return f"{_name(parameter)}{_given(parameter)}: {_ours(error.message)}"
    if kind == "BadParameter":
        return f"{_option_of(error)}{error.message}"
    return f"{_ours(error.message)}{_help(error.ctx, verb)}"


def _missing(error: Any, verb: Sequence[str]) -> str:
    """Return the sentence for all that is missing; what is given has been read by then."""
    missing = [each for each in error.ctx.command.params if each.required and each.name not in error.ctx.params]
    names = [_name(each) for each in missing]
    if len(names) == 1:
        what = f"{names[0]} is missing: {_said(missing[0])}"
    else:
        what = f"{', '.join(names[:-1])} and {names[-1]} are missing"
    return f"{what}; for instance: {_line(error.ctx, missing, verb)}"


def _line(ctx: Any, missing: Sequence[Any], verb: Sequence[str]) -> str:
    """Return the line that was given with what is missing, taken from the example of the verb's help."""
    example = re.search(r"Example: (spikeport .*)", ctx.command.help or "")
    given = sys.argv[1 + len(verb) :]
    if example is None:
        return shlex.join(["spikeport", *verb, "--help"])
    if not given:
        return example[1]
    words = shlex.split(example[1])[1 + len(verb) :]
    values = ctx.command.make_context("spikeport", words, resilient_parsing=True).params
    for each in missing:
        value = values[each.name]
        text = str(value[0] if isinstance(value, list | tuple) else value)
        given += [each.opts[0], text] if each.param_type_name == "option" else [text]
    return shlex.join(["spikeport", *verb, *given])


def _verb(ctx: Any) -> list[str]:
    """Return the words of the verb."""
    words: list[str] = []
    while ctx is not None and ctx.parent is not None:
        words.insert(0, ctx.info_name)
        ctx = ctx.parent
    return words


def _name(parameter: Any) -> str:
    return str(parameter.opts[0] if parameter.param_type_name == "option" else parameter.name)


def _said(parameter: Any) -> str:
    """Return what the help says of a parameter, as it goes on behind a colon."""
    text = str(parameter.help or "").rstrip(".")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _given(parameter: Any) -> str:
    """Return ``is 'x'`` with what an option was given, where the line shows it."""
    line = [word for each in sys.argv for word in (each.split("=", 1) if each.startswith("--") else [each])]
    found = [after for word, after in itertools.pairwise(line) if word in parameter.opts]
    return f" is {found[-1]!r}" if found else ""


def _option_of(error: Any) -> str:
    """Return the option whose value a sentence of ours begins with."""
    params = {} if error.ctx is None else error.ctx.params
    for each in () if error.ctx is None else error.ctx.command.params:
        values = params.get(each.name)
        for value in values if isinstance(values, list | tuple) else (values,):
            if isinstance(value, str) and error.message.startswith(repr(value)):
                return f"{_name(each)}: "
    return ""


def _instead(possibilities: Sequence[str] | None) -> str:
    return f"; did you mean {' or '.join(sorted(possibilities))}?" if possibilities else ""


def _ours(text: str) -> str:
    """Return a sentence of typer in our words, as far as there are any."""
    for theirs, ours in WORDS:
        found = re.fullmatch(theirs, text.rstrip("."))
        if found is not None:
            return found.expand(ours)
    return text


def _help(ctx: Any, verb: Sequence[str]) -> str:
    """Return what shows the options, where the verb is known."""
    return "" if ctx is None else f" ({shlex.join(['spikeport', *verb, '--help'])} shows what there is)"
