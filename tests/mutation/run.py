"""Run all mutants and record which test fails each: ``python -m tests.mutation.run [AREA ...]``.

Without areas the whole table is written to ``docs/results/mutants.md``; with areas theirs is printed.
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.mutation.mutants import ROOT, Mutant, applied, areas, copy_of_the_tree, killer, run_tests

RESULTS = ROOT / "docs" / "results" / "mutants.md"
HEAD = """# Mutants

`python -m tests.mutation.run` changes one text of one file in a copy of the tree, runs the named tests there, and
expects a failure; `make test-all` does the same as a test. Every mutant below fails the test beside it.
"""


def section(area: str, mutants: Iterable[Mutant], tree: Path) -> str:
    """Return the table of one area."""
    lines = [f"\n## {area}\n", "| file | old | new | failed by |", "| --- | --- | --- | --- |"]
    for mutant in mutants:
        with applied(mutant, tree):
            failed = killer(run_tests(mutant.tests, tree))
        print(f"{mutant.name}: {failed or 'SURVIVES'}", file=sys.stderr, flush=True)
        cells = (f"`{mutant.file}`", _code(mutant.old), _code(mutant.new), f"`{failed}`" if failed else "**nothing**")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """Return a text as one cell of a table."""
    return "`" + " ".join(text.split()).replace("|", "\\|") + "`" if text.strip() else "nothing"


def main() -> None:
    """Run the areas that were asked for, or all."""
    tables, chosen = areas(), sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="spikeport-mutants-") as folder:
        tree = copy_of_the_tree(Path(folder))
        text = "".join(section(area, tables[area], tree) for area in chosen or tables)
    if chosen:
        print(text)
    else:
        RESULTS.write_text(HEAD + text, encoding="utf-8")
    sys.exit("**nothing**" in text)


if __name__ == "__main__":
    main()
