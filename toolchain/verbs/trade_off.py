"""Clean and robust accuracy as one number."""

from collections.abc import Mapping
from pathlib import Path

from spikeport.export.errors import AttackError
from spikeport.toolchain.analysis.trade_off import TradeOff, of_figures, of_result
from spikeport.toolchain.verbs.sources import AnyPath, names_file


@names_file
def analyze_trade_off(
    result: AnyPath | None = None,
    *,
    clean: float | None = None,
    robust: Mapping[str, float] | None = None,
    epsilon: float = 8.0,
) -> TradeOff:
    """Return the quantification trade-off estimation (QTE) of every attack (`analysis.trade_off.quantification`).

    ``result``: the attack.json of `spikeport.attack` or of a stage, or the folder that holds it; or ``clean`` and
    ``robust`` by the attack's name, both in percent, at ``epsilon`` in pixel levels. Raises `AttackError` where neither
    or both are given, or a number cannot be an accuracy.
    """
    if (result is None) == (clean is None) or (clean is None) != (robust is None):
        raise AttackError(
            "expected the attack.json of an attack, or both the clean accuracy and those under attack (--clean 80.3 "
            "--robust PGD-7=37.3)"
        )
    if result is None:
        assert clean is not None
        return of_figures(clean, robust or {}, epsilon)
    path = Path(result)
    return of_result(path / "attack.json" if path.is_dir() else path)
