"""The blocks of the documentation: found, told apart, and run as a reader would run them, page by page.

A block is fenced, or indented by four spaces behind an empty line. What it is follows from its language, or from what
it holds: commands, Python, a TOML table, else text. HTML comments in front of a block say more:

    <!-- not run: why -->         it is not run; the reason stands in the page
    <!-- file: mine/x.py -->      it is written to this file of the page's scratch folder
    <!-- exit code 1 -->          how its commands end
"""

import ast
import json
import re
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import tomllib
import typer
import yaml

from spikeport.toolchain import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {
    **dict.fromkeys(("python", "py"), "python"),
    **dict.fromkeys(("bash", "sh", "shell", "console"), "commands"),
    **dict.fromkeys(("toml", "yaml", "json", "text"), ""),
}
PROGRAMS = ("spikeport", "make", "pip", "python", "pytest", "cd", "source", "export")
"""What a line of commands may start with; another program needs a reason not to be run."""
NOTE = re.compile(r"<!-- (not run:|file:|exit code) (.+?) -->")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of a page: where it starts, its language, its text, and what the comment before it says."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""
    file: str = ""
    exit_code: int = 0

    @property
    def where(self) -> str:
        """The place of the block, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @cached_property
    def kind(self) -> str:
        """'python', 'commands', 'toml', 'yaml', 'json' or 'text'; of a block without a language by what it holds."""
        if self.language:
            return LANGUAGES.get(self.language) or self.language
        if any(command_of(line) for line in self.text.splitlines()):
            return "commands"
        return next(
            (kind for kind, read in (("toml", tomllib.loads), ("python", _python)) if _reads(read, self.text)), "text"
        )

    @property
    def commands(self) -> list[list[str]]:
        """The words of every command; a backslash joins lines, and of a session the lines after '$' count alone."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        split = [shlex.split(line, comments=True) for line in lines]
        return [without_variables(words) for words in split if words]


def without_variables(words: list[str]) -> list[str]:
    """Return the words behind ``NAME=value`` in front of a program."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words


def command_of(line: str) -> bool:
    """Tell whether a line of a block without a language is a command."""
    return re.match(r"(\$ )?([A-Z_]+=\S+ )*(spikeport|make|pip|python) ", line) is not None


def _reads(read: Any, text: str) -> bool:
    try:
        return bool(read(text))
    except (ValueError, SyntaxError):
        return False


def _python(text: str) -> bool:
    """Tell whether a text is Python that does something: assigns, calls, imports or defines."""
    return any(
        isinstance(node, ast.Assign | ast.Call | ast.Import | ast.ClassDef) for node in ast.walk(ast.parse(text))
    )


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    place, notes = 0, {}
    while place < len(lines):
        line = lines[place]
        if found := NOTE.search(line):
            notes[found[1]] = found[2]
        elif fence := re.match(r" *(`{3,})\{? ?\.?(\w*)", line):
            end = next(i for i in range(place + 1, len(lines)) if lines[i].strip().startswith(fence[1]))
            yield _block(page, place, fence[2], lines[place + 1 : end], notes)
            place, notes = end, {}
        elif line.startswith("    ") and (place == 0 or not lines[place - 1].strip()):
            end = _end_of_indented(lines, place)
            yield _block(page, place, "", lines[place:end], notes)
            place, notes = end - 1, {}
        elif line.strip():
            notes = {}
        place += 1


def _end_of_indented(lines: list[str], place: int) -> int:
    end = place
    for index in range(place, len(lines)):
        if lines[index].startswith("    "):
            end = index + 1
        elif lines[index].strip():
            break
    return end


def _block(page: Path, place: int, language: str, lines: list[str], notes: dict[str, str]) -> Block:
    text = textwrap.dedent("\n".join(lines)) + "\n"
    return Block(
        page=page,
        line=place + 1,
        language=language,
        text=text,
        not_run=notes.get("not run:", ""),
        file=notes.get("file:", ""),
        exit_code=int(notes.get("exit code", 0)),
    )


def spans_of(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands that stand inside of sentences and tables, with their place."""
    inside = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        inside ^= line.lstrip().startswith("```")
        for found in [] if inside else re.findall(r"`(spikeport [^`]+)`", line):
            yield f"{page.relative_to(ROOT)}:{number}", found.replace("\\|", "|").split()


@cache
def silent_app() -> Any:
    """Return the command with verbs that do nothing: it parses, and refuses what does not parse."""
    app = typer.main.get_command(cli.app)
    todo = [app]
    while todo:
        command = todo.pop()
        command.callback = lambda **_: None
        todo += getattr(command, "commands", {}).values()
    return app


def parse(words: list[str]) -> None:
    """Parse the words behind ``spikeport``; raises typer's error for a verb, option or number that there is not."""
    silent_app().main(words, prog_name="spikeport", standalone_mode=False)


def look_up(words: list[str]) -> None:
    """Raise `LookupError` where a command inside of a sentence has a verb or an option that there is not."""
    command = silent_app()
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if getattr(command, "commands", {}) and words and not words[0].startswith("-"):
        raise LookupError(f"no verb {words[0]!r}; there are {', '.join(command.commands)}")
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
    for word in words:
        option = word.strip("[](),").partition("=")[0]
        if option.startswith("--") and option not in known:
            raise LookupError(f"no option {option!r}; there are {', '.join(sorted(known))}")


def examine(words: list[str]) -> None:
    """Raise an error where a command cannot be one: a program, verb, option, target or script that there is not."""
    program, *rest = words
    if program == "spikeport":
        parse(rest)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        missing = [word for word in rest if "=" not in word and word not in targets]
        if missing:
            raise LookupError(f"make has no target {missing[0]!r}")
    elif program == "python":
        _script(rest)
    elif program not in PROGRAMS:
        raise LookupError(f"the program {program!r} is none of {', '.join(PROGRAMS)}; say why it is not run")


def _script(rest: list[str]) -> None:
    """Raise `LookupError` where a script or module of ours is not there."""
    name = rest[1].replace(".", "/") + ".py" if rest[:1] == ["-m"] else rest[0] if rest else ""
    name = name.removeprefix("spikeport/")
    ours = name.startswith(("benchmarks", "tests", "examples", "toolchain", "export", "hardware_profiles"))
    if ours and not (ROOT / name).is_file():
        raise LookupError(f"there is no {name}")


READERS = {"toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load}


def tally() -> Counter[str]:
    """Return how many blocks and commands there are of each kind; 'exempt' are those with a reason not to run."""
    found: Counter[str] = Counter()
    for page in PAGES:
        for block in blocks_of(page):
            found["exempt" if block.not_run else block.kind] += 1
        found["commands in sentences"] += sum(1 for _ in spans_of(page))
    return found


if __name__ == "__main__":
    for page in PAGES:
        for block in blocks_of(page):
            print(f"{block.where:45} {'exempt' if block.not_run else block.kind:9} {block.text.splitlines()[0][:80]}")
    print(dict(tally()))
