"""What a spiking network has beyond its specification: steps, neurons, surrogate gradient, encoder."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from spikeport.export.errors import ArchiveError, NetworkError
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.nn.encoders.direct import Direct
from spikeport.toolchain.nn.encoders.encoder import Encoder
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate


class Spiking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``steps`` is T; ``tau`` the leak of Eq. 1 (1: IF); ``reset`` to 0, or by the threshold.

    ``noise``: deviation of the Gaussian noise on potentials in training mode, in units of each population's threshold
    as it is. Noisy neurons differentiate the probability of a spike (`Probit`), whatever ``surrogate`` is, which stays
    that of evaluation mode, as of attacks. Evaluation, lowering and every executor are deterministic.
    """

    steps: Annotated[int, Meta(ge=1, le=100_000)] = 8
    tau: Annotated[float, Meta(ge=0, le=1)] = 1.0
    reset: Literal["hard", "subtractive"] = "hard"
    train_threshold: bool = True
    train_tau: bool = False
    surrogate: Surrogate = PiecewiseLinear()
    encoder: Encoder = Direct()
    noise: Annotated[float, Meta(ge=0, le=100)] = 0.0

    def __post_init__(self) -> None:
        fault = self.encoder.fault(self.steps)
        if fault is not None:
            raise NetworkError(fault)


def spiking_of(table: Any) -> Spiking:
    """Return the settings of a JSON table as `msgspec.json.encode` writes them; `ArchiveError` where it is none."""
    if not isinstance(table, dict):
        raise ArchiveError("its spiking settings are no table")
    found: dict[str, Any] = {}
    for key, base in (("surrogate", Surrogate), ("encoder", Encoder)):
        choices, each = kinds(base), table.get(key)
        kind = str(each.get("kind")) if isinstance(each, dict) else None
        if each is None:
            continue
        if kind not in choices:
            raise ArchiveError(f"its {key} is {kind!r}; there are {', '.join(choices)}")
        found[key] = msgspec.convert(each, choices[kind])
    return msgspec.structs.replace(
        msgspec.convert({k: v for k, v in table.items() if k not in found}, Spiking), **found
    )
