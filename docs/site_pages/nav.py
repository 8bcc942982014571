"""The navigation: an entry with a ``*`` stands for the pages that match, so that a new page edits no other file."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any


def expanded(nav: Any, pages: Iterable[str], order: Mapping[str, Sequence[str]]) -> Any:
    """Return ``nav`` with patterns in the place of the ``pages`` that match; sections that are empty are left out.

    ``order``: names of pages of a folder that stand first, in this order; the others follow by name.
    """
    pages = list(pages)
    if isinstance(nav, str):
        return _matching(nav, pages, order) if "*" in nav else nav
    if isinstance(nav, dict):
        found = {title: expanded(part, pages, order) for title, part in nav.items()}
        return {title: part for title, part in found.items() if part != []}
    parts = [(part, expanded(part, pages, order)) for part in nav]
    spread = [found if isinstance(part, str) and "*" in part else [found] for part, found in parts]
    return [each for found in spread for each in found if each != {}]


def _matching(pattern: str, pages: Sequence[str], order: Mapping[str, Sequence[str]]) -> list[str]:
    first = list(order.get(str(PurePosixPath(pattern).parent), ()))

    def place(page: str) -> tuple[int, str]:
        name = PurePosixPath(page).stem
        return (first.index(name) if name in first else len(first), name)

    return sorted((page for page in pages if fnmatch(page, pattern)), key=place)
