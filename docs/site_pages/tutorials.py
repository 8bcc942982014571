"""Tutorials as pages: scripts in jupytext's percent format, run as notebooks, with their outputs below their cells.

``TUTORIALS`` in the environment says how: ``full`` (the default), ``fast`` with few images and epochs
(``SPIKEPORT_FAST=1``), or ``skip`` for pages without outputs. A notebook that ran is kept in ``.tutorials`` under a
digest of its script, the product and the way, and runs again only when one of them changes.
"""

import base64
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".tutorials"
LIMIT = 600
"""Seconds after which a cell is given up."""
PICTURES = {"image/svg+xml": "svg", "image/png": "png"}
NOTES = {
    "full": "",
    "fast": "The outputs on this page are of a run with few images and epochs.",
    "skip": "This copy of the page was built without running the tutorial.",
}
"""What a page says of its outputs, by the way in which it was made."""
HEAD = """<p class="downloads">Download: <a href="{0}.py" download>script</a>,
<a href="{0}.ipynb" download>notebook</a></p>

"""


def files(folder: Path) -> dict[str, str | bytes]:
    """Return pages, pictures and notebooks of the tutorials in a folder by their address below docs."""
    scripts, way = sorted(folder.glob("*.py")), os.environ.get("TUTORIALS", "full")
    if way not in NOTES:
        raise ValueError(f"TUTORIALS is {way!r}; expected {', '.join(NOTES)}")
    product = b"" if way == "skip" else way.encode() + _product()
    with ThreadPoolExecutor(max_workers=2) as pool:
        notebooks = list(pool.map(lambda script: _read(script) if way == "skip" else _run(script, product), scripts))
    note = f"!!! note\n    {NOTES[way]}\n\n" if NOTES[way] else ""
    made: dict[str, str | bytes] = {}
    for script, notebook in zip(scripts, notebooks, strict=True):
        made.update(_files(script.stem, notebook, note))
    return made


def _read(script: Path) -> Any:
    return jupytext.read(script, fmt="py:percent")


def _run(script: Path, product: bytes) -> Any:
    """Return the notebook with its outputs; a cell that fails ends the build with its traceback."""
    digest = hashlib.sha256(product + script.read_bytes()).hexdigest()[:16]
    kept = KEPT / f"{script.stem}-{digest}.ipynb"
    if kept.is_file():
        return nbformat.read(kept, as_version=4)
    notebook = _read(script)
    with tempfile.TemporaryDirectory() as scratch:
        where = {"metadata": {"path": scratch}}
        client = NotebookClient(notebook, timeout=LIMIT, kernel_name="python3", resources=where)
        fast = {"SPIKEPORT_FAST": "1"} if os.environ.get("TUTORIALS") == "fast" else {}
        # The kernel's own log goes nowhere; what cells write to stderr is an output.
        client.execute(stderr=subprocess.DEVNULL, env={**os.environ, **fast})
    KEPT.mkdir(exist_ok=True)
    for old in KEPT.glob(f"{script.stem}-*.ipynb"):
        old.unlink()
    nbformat.write(notebook, kept)
    return notebook


def _product() -> bytes:
    """Return a digest of all files of the product that a tutorial may run."""
    found = hashlib.sha256()
    for folder in ("export", "hardware_profiles", "toolchain", "examples", "docs/tutorials/files"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(path.read_bytes())
    return found.digest()


def _files(name: str, notebook: Any, note: str) -> Iterator[tuple[str, str | bytes]]:
    """Yield the page, its pictures and the notebook."""
    title, parts = "", []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            parts.append(cell.source)
            continue
        parts.append(f"````python\n{cell.source}\n````")
        for place, output in enumerate(cell.outputs):
            text, picture = _output(output, f"{name}_{number}_{place}", cell.metadata.get("alt", ""))
            parts.append(text)
            if picture:
                yield f"tutorials/{picture[0]}", picture[1]
    if parts and parts[0].startswith("# "):
        title, _, parts[0] = parts[0].partition("\n")
    yield f"tutorials/{name}.md", f"{title}\n\n{note}{HEAD.format(name)}" + "\n\n".join(parts) + "\n"
    yield f"tutorials/{name}.ipynb", nbformat.writes(notebook)


def _output(output: Any, name: str, alt: str) -> tuple[str, tuple[str, bytes] | None]:
    """Return an output as Markdown, and the name and bytes of its picture, which ``alt`` puts in words."""
    if output.output_type == "stream":
        return _text(output.text), None
    for kind, ending in PICTURES.items():
        if kind in output.data:
            value = output.data[kind]
            found = value.encode() if ending == "svg" else base64.b64decode(value)
            if not alt:
                raise ValueError(f"{name}: a cell draws a picture without words for it; expected '# %% alt=\"...\"'")
            return f"![{alt}]({name}.{ending})", (f"{name}.{ending}", found)
    return _text(output.data.get("text/plain", "")), None


def _text(text: str) -> str:
    return f"````{{ .text .output .no-copy }}\n{text.rstrip()}\n````"
