"""What the shell completes beside files, which it completes itself where a function here returns nothing."""

from pathlib import Path


def recipes(incomplete: str) -> list[str]:
    """Return the recipes that come along whose names begin so."""
    return _stems("toolchain/recipes", incomplete)


def profiles(incomplete: str) -> list[str]:
    """Return the hardware profiles whose names begin so; in a comma-separated list, the last name's."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _stems("hardware_profiles/profiles", last)]


def _stems(folder: str, beginning: str) -> list[str]:
    """Return names of .toml files of a folder of the package, without loading what reads them."""
    package = Path(__file__).parents[2]
    return sorted(path.stem for path in (package / folder).glob("*.toml") if path.stem.startswith(beginning))
