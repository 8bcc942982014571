"""How a framework turns the numbers of a NIR file into steps.

NIR is in continuous time: it does not say the length of a step, whether ``v == threshold`` fires, how a reset
subtracts, or when. The rules were measured: each framework's own spikes come out of its files without a difference
(tests/oracles/nir). `spikeport.export.nir_import.origin` finds the framework, `identify` the rules from a recording.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from spikeport.export.errors import FormatError
from spikeport.export.numbers import MOST_SPIKES, POSITIVE, REAL, described, flag, real, whole

NEURONS = ("IF", "LIF", "CubaLIF")
RESETS = {
    "hard": "a spike sets v to v_reset at once",
    "subtract": "a spike takes the threshold off v at once",
    "late": "a spike takes the threshold off v in the next step, before the comparison",
    "settle": "a spike takes the threshold off v at once, and lowers the next comparison where v stays above it",
    "pause": "a spike holds v at 0 for the whole next step, whose input is lost, where the neuron has a synaptic "
    "current or a recurrent connection, and sets it to v_reset at once elsewhere",
    "none": "a spike leaves v as it is",
}
KINDS = frozenset({"IF", "LIF", "CubaLIF", "I", "LI", "CubaLI", "Threshold"})
STARTS = ("zero", "v_reset", "v_leak")
GAINS = {
    "file": "counts as the file's r and w_in say",
    "one": "counts one",
    "leak": "counts what the neuron forgets in a step",
    "kept": "counts what the neuron keeps in a step",
}
AT_THRESHOLD = "threshold"
"""A floor of minus each neuron's own threshold."""
SNNTORCH_DT, NORSE_DT = 1e-4, 1e-3
PORTABLE_DT, PORTABLE_FACTOR = 1e-4, 2.0**60
"""Of `spikeport.export.formats.nir_portable`: the step of its files, and how many of them a time constant lasts."""


def _one_of(value: str, name: str, words: Any) -> None:
    if value not in words:
        raise FormatError(f"{name} is {value!r}; expected one of {', '.join(words)}")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The rules of one framework; `sentence` says them in words.

    ``dt``: length of a step, in the file's unit of time. ``exponential``: a step keeps exp(-dt / tau), else
    1 - dt / tau. ``inclusive``: a neuron spikes at ``v == threshold``, too. ``reset``: a key of `RESETS`, which says
    what a spike does to the potential. ``most``: spikes of one neuron in one step (None: as many as thresholds fit).
    ``floor``: the least potential, a number or 'threshold' for minus each neuron's own. ``start``: the potential before
    the first step, 'zero', 'v_reset' or 'v_leak'.

    What one unit of input counts, by kind of neuron, is a key of `GAINS`: ``gain_if`` of an `IF` or `I`, ``gain`` of a
    `LIF` and of the potential of a `CubaLIF`, ``gain_li`` of a `LI` (None: as ``gain``), ``gain_current`` of the
    current of a `CubaLIF`. ``v_reset`` replaces the file's. ``tau_syn``, in steps: a synaptic current,
    ``i = exp(-1 / tau_syn) (i + x)``, before an `IF` or `LIF` that has none in the file. ``silent_start``: a recurrent
    connection carries nothing in the first step, not even its bias. ``sends_late``: what a neuron sends in a step is
    what its potential said at the end of the step before. ``notes``: how the dialect was found, for people.
    ``kinds``: the kinds of neuron for which `sentence` says the rules.
    """

    name: str
    dt: float = 1.0
    exponential: bool = False
    inclusive: bool = False
    reset: str = "hard"
    most: int | None = 1
    floor: float | str | None = None
    start: str = "zero"
    gain: str = "file"
    gain_if: str = "file"
    gain_li: str | None = None
    gain_current: str = "file"
    v_reset: float | None = None
    tau_syn: float | None = None
    silent_start: bool = False
    sends_late: bool = False
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)
    kinds: frozenset[str] = field(default=KINDS, compare=False, repr=False)

    def __post_init__(self) -> None:
        _one_of(self.reset, "reset", RESETS)
        _one_of(self.start, "start", STARTS)
        _one_of(self.gain, "gain", GAINS)
        _one_of(self.gain_if, "gain_if", ("file", "one"))
        _one_of(self.gain_li or "file", "gain_li", GAINS)
        _one_of(self.gain_current, "gain_current", ("file", "one", "kept"))
        for name in ("exponential", "inclusive", "silent_start", "sends_late"):
            flag(getattr(self, name), name)
        real(self.dt, "dt", POSITIVE)
        for name, within in (("v_reset", REAL), ("tau_syn", POSITIVE)):
            if getattr(self, name) is not None:
                real(getattr(self, name), name, within)
        if self.floor is not None and self.floor != AT_THRESHOLD:
            if isinstance(self.floor, str):
                raise FormatError(f"floor is {described(self.floor)}; expected a number, or {AT_THRESHOLD!r}")
            real(self.floor, "floor", REAL)
        if self.most is not None:
            whole(self.most, "most", MOST_SPIKES)

    def sentence(self) -> str:
        """Return the rules in words."""
        return f"{self.name}: {'; '.join(self.clauses())}"

    def clauses(self) -> list[str]:
        """Return a clause per rule that matters for ``kinds`` of neuron, the same for equal rules."""
        kinds = self.kinds
        kept = "exp(-dt / tau)" if self.exponential else "1 - dt / tau"
        leaks, fires = kinds & {"LIF", "LI", "CubaLIF", "CubaLI"}, kinds & {*NEURONS, "Threshold"}
        times = (
            "as often as thresholds fit" if self.most is None else "once" if self.most == 1 else f"{self.most} times"
        )
        late = ", a step after its potential said so" if self.sends_late else ""
        return [
            *([f"a step of dt {self.dt:g} keeps {kept}"] if leaks else []),
            *([f"dt is {self.dt:g}"] if not leaks and self.gain_if == "file" else []),
            *([f"fires at v {'>=' if self.inclusive else '>'} threshold, {times} a step{late}"] if fires else []),
            *([self._reset()] if fires else []),
            *([f"v starts at {self.start.replace('zero', '0')}"] if fires else []),
            *([] if self.floor is None else [f"v never falls below {self._lowest()}"]),
            *self._inputs(kinds),
            *(
                []
                if self.tau_syn is None
                else [f"a synaptic current of {self.tau_syn:g} steps stands before IF and LIF"]
            ),
            *(["recurrent connections carry nothing in the first step"] if self.silent_start else []),
        ]

    def _reset(self) -> str:
        return RESETS[self.reset] + ("" if self.v_reset is None else f" (v_reset is {self.v_reset:g})")

    def _lowest(self) -> str:
        return "minus its threshold" if isinstance(self.floor, str) else f"{self.floor:g}"

    def _inputs(self, kinds: AbstractSet[str]) -> list[str]:
        """Return what input counts, the kinds of neuron that agree together."""
        found: dict[str, list[str]] = {}
        words = {"IF": self.gain_if, "LIF": self.gain, "LI": self.gain_li or self.gain, "CubaLIF": self.gain_current}
        for kind, word in words.items():
            if kind in kinds:
                found.setdefault(GAINS[word], []).append(kind)
        return [f"input of {', '.join(names)} {says}" for says, names in found.items()]


DIALECTS = {
    "nir": Dialect(name="nir", start="v_reset"),
    "spikeport": Dialect(name="spikeport"),
    "snntorch": Dialect(name="snntorch", dt=SNNTORCH_DT, reset="late"),
    "norse": Dialect(
        name="norse", dt=NORSE_DT, start="v_leak", gain="leak", gain_if="one", gain_current="one", silent_start=True
    ),
    "spikingjelly": Dialect(name="spikingjelly", dt=1e-4, inclusive=True, start="v_reset"),
    "sinabs": Dialect(
        name="sinabs", exponential=True, inclusive=True, reset="subtract", most=None,
        gain="leak", gain_if="one", gain_li="one",
    ),
    "rockpool": Dialect(
        name="rockpool", dt=1e-3, exponential=True, inclusive=True, reset="subtract", most=None,
        gain="one", gain_if="one", gain_li="kept", gain_current="kept",
    ),
    "spyx": Dialect(name="spyx", reset="late", gain="one", gain_if="one", gain_current="one", sends_late=True),
    "lava-dl": Dialect(name="lava-dl", dt=1e-4),
}  # fmt: skip
"""The rules of each framework, with the framework's own defaults for what its files do not hold."""


def named(name: str) -> Dialect:
    """Return the dialect called ``name``."""
    if name not in DIALECTS:
        raise FormatError(f"no dialect {name!r}; there are auto, {', '.join(DIALECTS)}")
    return DIALECTS[name]


def told(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `Dialect` that ``changes`` set, for a file of the framework ``name``; None sets nothing.

    ``normalized`` names the kinds of neuron whose input counts what they forget (sinabs: norm_input=True): 'LIF', 'LI',
    'LIF,LI' or 'none'; True stands for 'LIF'. 'none' of ``floor``, ``v_reset`` and ``tau_syn`` and 'any' of ``most``
    are values, too.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    if name == "snntorch" and given.get("reset") == "subtract":
        raise FormatError(
            "snnTorch never subtracts in the step of the spike; its reset_mechanism='subtract' is reset 'late', "
            "with reset_delay=False it is reset 'settle'"
        )
    if "normalized" in given:
        given |= _normalized(given.pop("normalized"))
    for key in ("floor", "v_reset", "tau_syn", "most"):
        if key in given:
            given[key] = _number_or_word(key, given[key])
    return given


def _normalized(value: object) -> dict[str, str]:
    kinds = {True: "LIF", False: "none"}.get(value, value) if isinstance(value, bool) else value
    names = [each.strip() for each in str(kinds).split(",")]
    if set(names) - {"LIF", "LI", "none"}:
        raise FormatError(f"normalized is {described(value)}; expected 'LIF', 'LI', 'LIF,LI' or 'none'")
    return {key: "leak" if kind in names else "one" for key, kind in (("gain", "LIF"), ("gain_li", "LI"))}


def _number_or_word(key: str, value: object) -> object:
    """Return the number that a text holds; None for 'none', of ``most`` for 'any'."""
    if not isinstance(value, str) or (key == "floor" and value == AT_THRESHOLD):
        return value
    if value == ("any" if key == "most" else "none"):
        return None
    try:
        return int(value) if key == "most" else float(value)
    except ValueError:
        words = {"floor": f"'none' or {AT_THRESHOLD!r}", "most": "'any'"}.get(key, "'none'")
        raise FormatError(f"{key} is {described(value)}; expected a number, or {words}") from None
