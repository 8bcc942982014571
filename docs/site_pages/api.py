"""The pages of the Python interface: every public name once, by what it is for; mkdocstrings adds the docstrings."""

import inspect

import spikeport
from spikeport.export import errors
from spikeport.export.errors import SpikeportError

PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "networks": (
        "Networks in and out",
        (
            *("from_torch", "to_specification", "fold_batch_norm", "import_nir", "import_netx", "identify"),
            *("quantize", "convert", "export_network", "read_network", "write_network", "as_bias"),
            *("ImportSettings", "QuantizeSettings", "ConvertSettings", "ImportedNetwork", "Identified", "Converted"),
            *("format_names",),
        ),
    ),
    "running": (
        "Simulation and fidelity",
        (
            *("stimulus", "simulate", "check", "executor_names", "InputSettings", "Stimulus", "SimulationSettings"),
            *("Simulation", "CheckSettings", "Verdict", "ChipVerdict", "Cluster", "Tls"),
        ),
    ),
    "costs": (
        "Costs on a chip",
        (
            *("report", "count", "place", "energy", "what_if", "load_profile", "profile_names", "Report"),
            *("OperationCounts", "Placement", "EnergyPerImage", "Variations", "HardwareProfile"),
        ),
    ),
    "robustness": (
        "Robustness and analysis",
        (
            *("attack", "analyze_obfuscation", "analyze_thresholds", "compare_thresholds", "analyze_gradients"),
            *("analyze_trade_off", "analyze_coding", "AttackSettings", "Assessment", "ObfuscationSettings"),
            *("Obfuscation", "ThresholdSettings", "Gradients"),
        ),
    ),
    "recipes": ("Recipes", ("run", "forecast", "RunSettings")),
    "papers": ("Tables and figures for a paper", ("write_tables", "write_figures", "Table", "Figure")),
    "types": (
        "Networks as data",
        (
            *("IntegerNetwork", "BiasNetwork", "FloatNetwork", "IntegerPopulation", "FloatPopulation", "IntegerNeuron"),
            *("FloatNeuron", "IntegerProjection", "FloatProjection", "Source", "Dense", "Convolution", "Specification"),
        ),
    ),
    "errors": ("Errors and version", ("SpikeportError", "AmbiguousOrigin", "__version__")),
}
"""Page -> its title and its names, in order."""
OVERVIEW = """# Python interface

Every public name is an attribute of `spikeport` and is loaded when it is first used. Functions take objects or paths,
settings are frozen classes with keyword arguments, results have `text()`, `to_dict()` and, where there is a verdict,
`passed`. Bad input raises a subclass of [`SpikeportError`](errors.md).
"""
KINDS = """
## Kinds of errors

All are subclasses of `SpikeportError` and lie in `spikeport.export.errors`.

| error | what it says |
| --- | --- |
"""
VERSION = '\n## `__version__`\n\nThe installed version as text, `"MAJOR.MINOR.PATCH"`, such as `"{}"`.\n'


def pages() -> dict[str, str]:
    """Return every page by its address below docs; a name without a page, or a page for no name, is a ValueError."""
    listed = [name for _, names in PAGES.values() for name in names]
    if sorted(listed) != sorted(spikeport.__all__):
        wrong = sorted({*listed} ^ {*spikeport.__all__}) or sorted(n for n in listed if listed.count(n) > 1)
        raise ValueError(
            f"docs/site_pages/api.py and spikeport.__all__ differ in {', '.join(wrong)}; expected each once"
        )
    made = {f"reference/api/{page}.md": _page(*content) for page, content in PAGES.items()}
    return {"reference/api/index.md": _overview(), **made}


def _page(title: str, names: tuple[str, ...]) -> str:
    parts = [VERSION.format(spikeport.__version__) if name == "__version__" else _entry(name) for name in names]
    return f"# {title}\n{''.join(parts)}{_kinds() if 'SpikeportError' in names else ''}"


def _kinds() -> str:
    """Return a table of all errors."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SpikeportError)]
    rows = [f"| `{kind.__name__}` | {(inspect.getdoc(kind) or '').partition(chr(10) * 2)[0]} |" for kind in kinds]
    return KINDS + "".join(f"{' '.join(row.split())}\n" for row in rows)


def _entry(name: str) -> str:
    return f"\n::: spikeport.{name}\n"


def _overview() -> str:
    lines = [f"\n**[{title}]({page}.md)**: {_links(page, names)}\n" for page, (title, names) in PAGES.items()]
    return OVERVIEW + "".join(lines)


def _links(page: str, names: tuple[str, ...]) -> str:
    anchors = {name: "__version__" if name == "__version__" else f"spikeport.{name}" for name in names}
    return ", ".join(f"[`{name}`]({page}.md#{anchor})" for name, anchor in anchors.items())
