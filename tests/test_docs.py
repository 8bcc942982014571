"""What the documentation shows works: blocks run page by page, commands parse, what is not run says why.

``python -m tests.doc_blocks`` lists all blocks with what becomes of them.
"""

import re
import shutil
import sys

import msgspec
import pytest

from spikeport.export.errors import LavaError
from spikeport.export.lava import environment
from spikeport.toolchain import cli
from spikeport.toolchain.recipes.reader import read_recipe
from spikeport.toolchain.robustness.suites import suite_of
from spikeport.toolchain.stages.recipe import Recipe
from tests.doc_blocks import PAGES, READERS, ROOT, blocks_of, examine, look_up, parse, spans_of, tally
from tests.doc_materials import NAMES, files

EXEMPT = 9
"""How many blocks may say that they are not run. Before it grows: make the block run, or cut it out of the page."""
HOWTO = ROOT / "docs" / "howto"
"""Its pages are run from top to bottom by tests/oracles/howto; here their commands are parsed."""
OUTPUTS = ("--out", "--json", "--junit", "--write", "--biases")
CHEAP = ("check", "simulate", "report", "quantize", "export", "import", "profiles", "identify", "convert")
"""Verbs that take seconds on a small network; the others are parsed."""
NUMBERS = re.compile(r"[\d.,/]+")
READABLE = [page for page in PAGES if any(True for _ in blocks_of(page))]
RUN = [page for page in READABLE if HOWTO not in page.parents and page.parent.name != "results"]


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def materials(tmp_path_factory):
    return files(tmp_path_factory.mktemp("materials"))


@pytest.mark.parametrize("page", READABLE, ids=name_of)
def test_every_command_is_one(page):
    for block in blocks_of(page):
        for words in block.commands if block.kind == "commands" and not block.not_run else ():
            try:
                examine(list(words))
            except Exception as error:  # noqa: BLE001 - typer's own error has no public base class
                pytest.fail(f"{block.where}: {' '.join(words)}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_verbs_and_options_in_sentences_exist(page):
    for where, words in spans_of(page):
        try:
            look_up(words[1:])
        except LookupError as error:
            pytest.fail(f"{where}: {' '.join(words)}: {error}")


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_blocks_run_in_order(page, materials, tmp_path, monkeypatch):
    shutil.copytree(materials, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page", **NAMES.get(name_of(page), dict)()}
    for block in blocks_of(page):
        if not block.not_run:
            run(block, names, tmp_path, monkeypatch)


def run(block, names, folder, monkeypatch):
    if block.file:
        (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.file).write_text(block.text)
    elif block.kind == "python":
        exec(compile(block.text, block.where, "exec"), names)
    elif block.kind == "commands":
        *before, last = block.commands
        for words, code in (*((words, 0) for words in before), (last, block.exit_code)):
            if words[0] == "spikeport" and is_at_hand(words[1:], folder):
                assert code_of(words[1:], monkeypatch) == code, f"{block.where}: {' '.join(words)}"
    elif block.kind in READERS:
        READERS[block.kind](block.text)
        if block.kind == "toml":
            read_toml(block.text, folder)


def is_at_hand(words, folder):
    """Tell whether a command is cheap and all files that it reads are in the folder; capitals stand for a file."""
    if words[0] not in CHEAP and "--dry-run" not in words:
        return False
    values = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before not in OUTPUTS and not word.startswith("-")
    ]
    read = [word for word in values[1:] if word.isupper() or (re.search(r"[./]", word) and not NUMBERS.fullmatch(word))]
    return all((folder / word).exists() for word in read)


def code_of(words, monkeypatch):
    """Run the command here, without Lava, which takes many seconds to start, and return its exit code."""
    monkeypatch.setattr(environment, "python", no_lava)
    monkeypatch.setattr(sys, "argv", ["spikeport", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code or 0


def no_lava():
    raise LavaError("left out of the pages' fast form")


BASE = """
version = 2
data = { kind = "digits" }
network = { kind = "vgg", plan = [4, "P"], head = [] }
[[stages]]
stage = "train"
name = "dense"
model = "snn"
training = { epochs = 1, learning_rate = 0.1 }
"""
TOP = {field.encode_name for field in msgspec.structs.fields(Recipe)}


def read_toml(text, folder):
    """Read a recipe, a suite, or one line of a recipe in the place of a small recipe's own."""
    path = folder / "of_the_page.toml"
    path.write_text(text if "[[stages]]" in text or "[[members]]" in text else BASE)
    if "[[members]]" in text:
        assert suite_of(str(path)).members
        return
    lines = (
        []
        if "[[stages]]" in text or text.startswith(("[", "variant"))
        else re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE)
    )
    read_recipe(path, [f"{'' if key in TOP else 'stages.dense.'}{key}={value}" for key, value in lines])


def test_what_is_not_run_says_why_and_does_not_grow(capsys):
    exempt = [block for page in PAGES for block in blocks_of(page) if block.not_run]
    with capsys.disabled():
        print(
            f"\nblocks of the documentation: {', '.join(f'{count} {kind}' for kind, count in sorted(tally().items()))}"
        )
    assert all(len(block.not_run) > 10 for block in exempt)
    assert len(exempt) <= EXEMPT, f"{len(exempt)} blocks are not run: {', '.join(block.where for block in exempt)}"


@pytest.mark.parametrize(
    "words",
    [
        ["chekc", "net.safetensors"],
        ["check", "net.safetensors", "--exectors", "onnx"],
        ["report", "net", "--verify", "x"],
    ],
)
def test_a_misspelt_command_fails(words):
    with pytest.raises(Exception, match=r"(?i)no such|valid integer"):
        parse(words)


def test_a_misspelt_option_in_a_sentence_fails():
    with pytest.raises(LookupError, match="no option '--verfy'"):
        look_up(["report", "NET", "--verfy", "4"])
    with pytest.raises(LookupError, match="no verb 'analize'"):
        look_up(["analize", "thresholds"])
