"""Where data lie, and whether a file is the published one."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from spikeport.export.errors import DataError
from spikeport.export.inputs import check_regular

VARIABLE = "SPIKEPORT_DATA"
"""The environment variable that names the folder of all datasets."""
PART = 2**20


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file that its authors publish: address and md5."""

    address: str
    md5: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.address.rsplit("/", 1)[-1]


def data_folder() -> Path:
    """Return the folder of all datasets: ``SPIKEPORT_DATA``, else ``~/.local/share/spikeport/data``."""
    given = os.environ.get(VARIABLE)
    return _expanded(given or "~/.local/share/spikeport/data")


def located(path: str | None, folder: str) -> Path:
    """Return what a recipe names, from the current folder; without a ``path`` the dataset's own ``folder``."""
    return data_folder() / folder if path is None else _expanded(path)


def existing(path: str, what: str) -> Path:
    """Return a path of a recipe at which something stands."""
    place = _expanded(path)
    if not os.path.lexists(place):
        raise DataError(f"{place.absolute()}: no such file or folder; expected {what}: set data.path to where it is")
    return place


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(f"{path}: no home folder is known for it; expected a path from the root") from None


def missing(place: Path, name: str, download: str) -> DataError:
    """Return the sentence for a dataset that is not there."""
    return DataError(
        f"{place.absolute()}: no {name} here; download {download} into this folder, or set data.path or the "
        f"environment variable {VARIABLE} to where it is"
    )


def check_published(path: Path, *published: Published) -> None:
    """Raise `DataError` where the file is none of the published ones."""
    check_regular(path, DataError)
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while part := file.read(PART):
            digest.update(part)
    if digest.hexdigest() not in {each.md5 for each in published}:
        expected = " or ".join(each.md5 for each in published)
        raise DataError(
            f"{path}: md5 {digest.hexdigest()}; the published file has {expected}: download {published[0].address} "
            "again, or set data.official to false where the file is meant to differ"
        )
