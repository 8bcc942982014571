"""Links of pages: to the pages of the repository's own texts, and to files beside docs, which get a page each."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
TEXTS = {"CONTRIBUTING.md": "contributing/index.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
"""Texts at the top of the repository, and the page that each is; the README's reader is led to the first page."""
INLINE = ("pictures/overview.svg",)
"""Pictures that stand in their page as SVG, so that they follow the page's own switch from light to dark."""
PICTURE = re.compile(r"(?m)^!\[[^\]]*\]\(([^)\s]+\.svg)\)$")
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(?=[)#])")
LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml", ".json": "json", ".sh": "bash"}


def texts() -> dict[str, str]:
    """Return the pages of the texts at the top of the repository."""
    pages = {page: name for name, page in TEXTS.items() if page != "index.md"}
    return {page: (ROOT / name).read_text(encoding="utf-8") for page, name in pages.items()}


def home(page: str) -> PurePosixPath:
    """Return the place in the repository of what a page was written as, where its links start."""
    for name, made in TEXTS.items():
        if page == made and page != "index.md":
            return PurePosixPath(name)
    return PurePosixPath("docs") / page


def rewritten(text: str, page: str) -> str:
    """Return the text of ``page`` with links that lead to pages of the site."""
    start = PurePosixPath(page).parent

    def led(match: re.Match[str]) -> str:
        place = _page_of(_resolved(match[1], page))
        return match[1] if place is None else os.path.relpath(place, start)

    return LINK.sub(led, text)


def with_pictures(text: str, page: str) -> str:
    """Return the text of ``page`` with those pictures written into it."""

    def drawn(match: re.Match[str]) -> str:
        place = _resolved(match[1], page).removeprefix("docs/")
        if place not in INLINE:
            return match[0]
        return f"<figure>{(ROOT / 'docs' / place).read_text(encoding='utf-8').strip()}</figure>"

    return PICTURE.sub(drawn, text)


NAMED = re.compile(r"\[[\w/.-]+\.md\]\((?!\w+:)([^)\s#]+\.md)(#[^)\s]*)?\)")


def with_titles(text: str, page: str, titles: Mapping[str, str]) -> str:
    """Return the text of ``page`` where a link whose text is a file's name has the title of its page instead."""

    def named(match: re.Match[str]) -> str:
        title = titles.get(_page_of(_resolved(match[1], page)) or "")
        return match[0] if title is None else f"[{title}]({match[1]}{match[2] or ''})"

    return NAMED.sub(named, text)


def title_of(text: str) -> str:
    """Return the first heading of a page, empty where it has none."""
    found = re.search(r"(?m)^# (.+)$", text)
    return found[1].strip() if found else ""


def sources(pages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return a page for every file beside docs that one of the ``pages`` (address, text) links to."""
    found = {_resolved(target, page) for page, text in pages for target in LINK.findall(text)}
    outside = sorted(name for name in found if not name.startswith(("docs/", "..")) and name not in TEXTS)
    return {str(_page_of(name)): _source(name) for name in outside if (ROOT / name).is_file()}


def _resolved(target: str, page: str) -> str:
    return os.path.normpath(home(page).parent / target)


def _page_of(name: str) -> str | None:
    """Return the page of a file of the repository; None where it has none, which the strict build complains about."""
    if name in TEXTS:
        return TEXTS[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/").removesuffix(".py") + (".md" if name.endswith(".py") else "")
    return f"source/{name}.md" if (ROOT / name).is_file() else None


def _source(name: str) -> str:
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return f"# `{name}`\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n````\n"
