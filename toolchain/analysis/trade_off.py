"""Quantification trade-off estimation: one number for clean and robust accuracy together."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeport.export.errors import AttackError, one_line
from spikeport.export.numbers import Range, real
from spikeport.hardware_profiles.output.table import Column, Table, words
from spikeport.hardware_profiles.result import Result

STRENGTH_PER_LEVEL = 0.01
"""The paper takes 0.08 for 8/255; with 8/255 = 0.0314 its tables do not come out."""
PERCENT = Range(least=0, most=100)
LEVELS = Range(least=0, most=255)
NAMES = {"FGSM": "F-QTE", "PGD": "P-QTE"}
"""What the paper calls the estimate under an attack; the attack's name begins so."""


def quantification(clean: float, robust: float, *, epsilon: float, start: float = 0.0) -> float:
    """Return ``|(eta_b - eta_a) (A(eta_b) + A(eta_a)) / 2|``: accuracies in percent, eta 0.01 per pixel level.

    ``clean`` is the accuracy at ``start`` and ``robust`` that at ``epsilon``, both in pixel levels (8 is 8/255, eta =
    0.08). It is the area under the line between both; larger is better. Figures of other epsilons do not compare.

    Source: Wu et al., ACM Multimedia 2024, Definition 3.1, Eq. 6. The unit is not said there; it is the one with which
    Tables 3 and 4 come out, for example (90.95 + 10.89) / 2 * 0.08 = 4.07.
    """
    for name, value in (("the clean accuracy", clean), ("the robust accuracy", robust)):
        real(value, f"{name} in percent", PERCENT, error=AttackError)
    for value in (epsilon, start):
        real(value, "epsilon in pixel levels", LEVELS, error=AttackError)
    return abs((epsilon - start) * STRENGTH_PER_LEVEL * (clean + robust) / 2)


@dataclass(frozen=True, kw_only=True)
class Estimate(Result):
    """The estimate ``qte`` for one attack on one network; accuracies in percent, ``epsilon`` in pixel levels."""

    attack: str
    network: str
    epsilon: float
    clean: float
    robust: float
    qte: float

    @property
    def name(self) -> str:
        """What the paper calls it, where it has a name for it."""
        return next((name for start, name in NAMES.items() if self.attack.startswith(start)), "QTE")


@dataclass(frozen=True, kw_only=True)
class TradeOff(Result):
    """Estimates for attacks on a network, and on what is deployed."""

    estimates: tuple[Estimate, ...]

    def text(self) -> str:
        """Return a table, a row for every attack and epsilon."""
        (table,) = self.tables()
        return "\n\n".join((table.text(), *table.notes))

    def tables(self) -> tuple[Table]:
        """Return the table, for CSV and LaTeX."""
        accuracy = [Column(title=title, unit="%", form=".2f") for title in ("clean", "robust")]
        unit = f"mean of both accuracies in percent, times {STRENGTH_PER_LEVEL:g} for each level of epsilon"
        found = Table(
            name="trade_off",
            title="Trade-off between clean and robust accuracy",
            columns=[
                *(words("attack"), words("network"), Column(title="eps")),
                *(*accuracy, Column(title="estimate", form=".2f"), words("its name")),
            ],
            rows=[
                (each.attack, each.network, f"{each.epsilon:g}/255", each.clean, each.robust, each.qte, each.name)
                for each in self.estimates
            ],
            notes=[f"estimate: {unit} (Wu et al., 2024, Eq. 6)"],
        )
        return (found,)


def of_figures(clean: float, robust: Mapping[str, float], epsilon: float) -> TradeOff:
    """Return the estimates of accuracies that are known, in percent; ``robust`` by the attack's name."""
    if not robust:
        raise AttackError("no accuracy under attack; expected one at least (--robust PGD-7=37.3)")
    return TradeOff(estimates=tuple(_made(name, "given", epsilon, clean, each) for name, each in robust.items()))


def of_result(path: Path) -> TradeOff:
    """Return the estimates of every attack of an attack.json, and of the worst case over them.

    `AttackError` where the file holds no result of an attack.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return TradeOff(estimates=tuple(_estimates(found)))
    except OSError as error:
        raise AttackError(
            f"{path}: cannot be read ({one_line(error)}); expected the attack.json of an attack"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AttackError(f"{path}: no result of an attack ({one_line(error)}); expected its attack.json") from None


def _estimates(found: Mapping[str, Any]) -> Iterator[Estimate]:
    clean = {role: 100 * share["share"] for role, share in found["clean"].items()}
    for at in found["epsilons"]:
        for row in at["rows"]:
            title = f"{row['title']}, transferred" if row["way"] == "transferred" else row["title"]
            yield _made(title, row["network"], at["epsilon"], clean[row["network"]], 100 * row["robust"]["share"])
        for role, key in (("float", "worst_float"), ("deployed", "deployed")):
            if at[key] is not None:
                yield _made("worst case", role, at["epsilon"], clean[role], 100 * at[key]["share"])


def _made(attack: str, network: str, epsilon: float, clean: float, robust: float) -> Estimate:
    qte = quantification(clean, robust, epsilon=epsilon)
    return Estimate(attack=attack, network=network, epsilon=epsilon, clean=clean, robust=robust, qte=qte)
