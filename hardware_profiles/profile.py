"""A chip as typed data: every constant with value, unit, evidence class and source.

Classes: ``published`` (by the maker or in a paper), ``fitted`` (to silicon), ``scaled`` (from another chip),
``assumed`` (by us, for want of anything better).
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from export.errors import ProfileError
from hardware_profiles.tables import read_table

PROFILE_DIR = Path(__file__).parent / "profiles"
Evidence = Literal["published", "fitted", "scaled", "assumed"]


class Constant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number with its unit and where it comes from."""

    value: Annotated[float, msgspec.Meta(ge=0, lt=1e30)]
    unit: str
    evidence: Evidence
    source: str


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one core can hold; a limit that is not published is absent."""

    cores_per_chip: Constant
    neurons: Constant
    synaptic_memory: Constant
    core_memory: Constant | None = None
    input_axons: Constant | None = None
    output_axons: Constant | None = None


class Encoding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How synapses and neurons take memory."""

    word: Constant
    list_header: Constant
    list_block: Constant
    index: Constant
    weight: Constant
    neuron_state: Constant
    input_axon_entry: Constant


class Energy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Energy of one operation."""

    accumulate: Constant
    neuron_update_inactive: Constant
    neuron_update_active: Constant


class HardwareProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chip."""

    name: str
    description: str
    limits: Limits
    encoding: Encoding
    energy: Energy


UNITS = {
    "cores_per_chip": "1",
    "neurons": "1",
    "synaptic_memory": "B",
    "core_memory": "B",
    "input_axons": "1",
    "output_axons": "1",
    "word": "bit",
    "list_header": "bit",
    "list_block": "1",
    "index": "bit",
    "weight": "bit",
    "neuron_state": "B",
    "input_axon_entry": "B",
    "accumulate": "J",
    "neuron_update_inactive": "J",
    "neuron_update_active": "J",
}


def profile_names() -> list[str]:
    """Return the profiles that come with spikeport: the files of the folder."""
    return sorted(path.stem for path in PROFILE_DIR.glob("*.toml"))


def load_profile(name: str) -> HardwareProfile:
    """Read a profile by name, or a user's own by the path of its TOML file."""
    path = Path(name) if name.endswith(".toml") else PROFILE_DIR / f"{name}.toml"
    if not path.is_file():
        raise ProfileError(f"no profile {name!r}; there are {', '.join(profile_names())}, or give a .toml file")
    profile = read_table(path, HardwareProfile, ProfileError)
    _check_units(profile, path)
    return profile


def constants(profile: HardwareProfile) -> dict[str, Constant]:
    """Return every constant of a profile as 'table.key'."""
    return {
        f"{table}.{key}": value
        for table in ("limits", "encoding", "energy")
        for key, value in msgspec.structs.asdict(getattr(profile, table)).items()
        if value is not None
    }


POSITIVE = ("cores_per_chip", "neurons", "synaptic_memory", "word", "list_block", "weight")
"""What one divides by, or cannot do without."""


def _check_units(profile: HardwareProfile, path: Path) -> None:
    for key, constant in constants(profile).items():
        if key.split(".")[1] in POSITIVE and constant.value < 1:
            raise ProfileError(f"{path}: [{key}] is {constant.value:g}; expected at least 1")
        expected = UNITS[key.split(".")[1]]
        if constant.unit != expected:
            raise ProfileError(f"{path}: [{key}] has unit {constant.unit!r}; expected {expected!r}")
