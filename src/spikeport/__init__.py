"""spikeport: sparse, robust spiking networks to Loihi integers, NIR, ONNX and Lava, and what they cost on a chip.

    import spikeport

    network = spikeport.quantize("model.nir", settings=..., out="network.safetensors").network
    verdict = spikeport.check(network, "images.npz")
    report = spikeport.report(network, "images.npz", profiles=["loihi2"])

Every public name stands in ``__all__`` and is loaded when it is first used. Functions take objects or paths, settings
are frozen classes, results have ``text()``, ``to_dict()`` and ``passed``. Bad input raises `SpikeportError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikeport.export.bias_form import as_bias
    from spikeport.export.cluster import Cluster, Tls
    from spikeport.export.errors import AmbiguousOrigin, SpikeportError
    from spikeport.export.executors import executor_names
    from spikeport.export.formats import format_names
    from spikeport.export.network import (
        BiasNetwork,
        Convolution,
        Dense,
        FloatNetwork,
        FloatNeuron,
        FloatPopulation,
        FloatProjection,
        IntegerNetwork,
        IntegerNeuron,
        IntegerPopulation,
        IntegerProjection,
        Source,
    )
    from spikeport.export.stimulus import InputSettings, Stimulus, stimulus
    from spikeport.hardware_profiles.counting import OperationCounts
    from spikeport.hardware_profiles.energy import EnergyPerImage
    from spikeport.hardware_profiles.output.figure import Figure
    from spikeport.hardware_profiles.output.table import Table
    from spikeport.hardware_profiles.output.writing import write_figures, write_tables
    from spikeport.hardware_profiles.placement import Placement
    from spikeport.hardware_profiles.profile import HardwareProfile, load_profile, profile_names
    from spikeport.hardware_profiles.report.result import Report
    from spikeport.hardware_profiles.verdicts import ChipVerdict
    from spikeport.hardware_profiles.what_if import Variations
    from spikeport.toolchain.analysis.gradients_result import Gradients
    from spikeport.toolchain.analysis.result import Obfuscation
    from spikeport.toolchain.importing.folding import fold_batch_norm
    from spikeport.toolchain.importing.imported import ImportedNetwork
    from spikeport.toolchain.importing.torch_module import from_torch, to_specification
    from spikeport.toolchain.nn.specification import Specification
    from spikeport.toolchain.robustness.assessed import Assessment
    from spikeport.toolchain.verbs.analyze import ObfuscationSettings, analyze_obfuscation
    from spikeport.toolchain.verbs.attack import attack
    from spikeport.toolchain.verbs.attack_settings import AttackSettings
    from spikeport.toolchain.verbs.checking import CheckSettings, Verdict, check
    from spikeport.toolchain.verbs.coding import analyze_coding
    from spikeport.toolchain.verbs.convert import convert
    from spikeport.toolchain.verbs.converted import Converted, ConvertSettings
    from spikeport.toolchain.verbs.costs import count, energy, place, report, what_if
    from spikeport.toolchain.verbs.gradients import analyze_gradients
    from spikeport.toolchain.verbs.identify import Identified, identify
    from spikeport.toolchain.verbs.networks import (
        ImportSettings,
        QuantizeSettings,
        export_network,
        import_netx,
        import_nir,
        quantize,
        read_network,
        write_network,
    )
    from spikeport.toolchain.verbs.recipes import RunSettings, forecast, run
    from spikeport.toolchain.verbs.simulation import Simulation, SimulationSettings, simulate
    from spikeport.toolchain.verbs.thresholds import ThresholdSettings, analyze_thresholds, compare_thresholds
    from spikeport.toolchain.verbs.trade_off import analyze_trade_off

__all__ = [
    "AmbiguousOrigin",
    "Assessment",
    "AttackSettings",
    "BiasNetwork",
    "CheckSettings",
    "ChipVerdict",
    "Cluster",
    "ConvertSettings",
    "Converted",
    "Convolution",
    "Dense",
    "EnergyPerImage",
    "Figure",
    "FloatNetwork",
    "FloatNeuron",
    "FloatPopulation",
    "FloatProjection",
    "Gradients",
    "HardwareProfile",
    "Identified",
    "ImportSettings",
    "ImportedNetwork",
    "InputSettings",
    "IntegerNetwork",
    "IntegerNeuron",
    "IntegerPopulation",
    "IntegerProjection",
    "Obfuscation",
    "ObfuscationSettings",
    "OperationCounts",
    "Placement",
    "QuantizeSettings",
    "Report",
    "RunSettings",
    "Simulation",
    "SimulationSettings",
    "Source",
    "Specification",
    "SpikeportError",
    "Stimulus",
    "Table",
    "ThresholdSettings",
    "Tls",
    "Variations",
    "Verdict",
    "__version__",
    "analyze_coding",
    "analyze_gradients",
    "analyze_obfuscation",
    "analyze_thresholds",
    "analyze_trade_off",
    "as_bias",
    "attack",
    "check",
    "compare_thresholds",
    "convert",
    "count",
    "energy",
    "executor_names",
    "export_network",
    "fold_batch_norm",
    "forecast",
    "format_names",
    "from_torch",
    "identify",
    "import_netx",
    "import_nir",
    "load_profile",
    "place",
    "profile_names",
    "quantize",
    "read_network",
    "report",
    "run",
    "simulate",
    "stimulus",
    "to_specification",
    "what_if",
    "write_figures",
    "write_network",
    "write_tables",
]

_HOMES = {
    "export.bias_form": ("as_bias",),
    "export.cluster": ("Cluster", "Tls"),
    "export.errors": ("AmbiguousOrigin", "SpikeportError"),
    "export.executors": ("executor_names",),
    "export.formats": ("format_names",),
    "export.network": (
        *("BiasNetwork", "Convolution", "Dense", "Source"),
        *("FloatNetwork", "FloatNeuron", "FloatPopulation", "FloatProjection"),
        *("IntegerNetwork", "IntegerNeuron", "IntegerPopulation", "IntegerProjection"),
    ),
    "export.stimulus": ("InputSettings", "Stimulus", "stimulus"),
    "hardware_profiles.counting": ("OperationCounts",),
    "hardware_profiles.energy": ("EnergyPerImage",),
    "hardware_profiles.output.figure": ("Figure",),
    "hardware_profiles.output.table": ("Table",),
    "hardware_profiles.output.writing": ("write_figures", "write_tables"),
    "hardware_profiles.placement": ("Placement",),
    "hardware_profiles.profile": ("HardwareProfile", "load_profile", "profile_names"),
    "hardware_profiles.report.result": ("Report",),
    "hardware_profiles.verdicts": ("ChipVerdict",),
    "hardware_profiles.what_if": ("Variations",),
    "toolchain.analysis.gradients_result": ("Gradients",),
    "toolchain.analysis.result": ("Obfuscation",),
    "toolchain.importing.imported": ("ImportedNetwork",),
    "toolchain.importing.torch_module": ("from_torch", "to_specification"),
    "toolchain.nn.specification": ("Specification",),
    "toolchain.importing.folding": ("fold_batch_norm",),
    "toolchain.robustness.assessed": ("Assessment",),
    "toolchain.verbs.analyze": ("ObfuscationSettings", "analyze_obfuscation"),
    "toolchain.verbs.attack": ("attack",),
    "toolchain.verbs.attack_settings": ("AttackSettings",),
    "toolchain.verbs.checking": ("CheckSettings", "Verdict", "check"),
    "toolchain.verbs.coding": ("analyze_coding",),
    "toolchain.verbs.convert": ("convert",),
    "toolchain.verbs.converted": ("ConvertSettings", "Converted"),
    "toolchain.verbs.costs": ("count", "energy", "place", "report", "what_if"),
    "toolchain.verbs.gradients": ("analyze_gradients",),
    "toolchain.verbs.identify": ("Identified", "identify"),
    "toolchain.verbs.networks": (
        *("ImportSettings", "QuantizeSettings", "export_network", "import_netx", "import_nir"),
        *("quantize", "read_network", "write_network"),
    ),
    "toolchain.verbs.recipes": ("RunSettings", "forecast", "run"),
    "toolchain.verbs.simulation": ("Simulation", "SimulationSettings", "simulate"),
    "toolchain.verbs.thresholds": ("ThresholdSettings", "analyze_thresholds", "compare_thresholds"),
    "toolchain.verbs.trade_off": ("analyze_trade_off",),
}
"""The module that each public name comes from."""


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
