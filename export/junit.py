"""The verdict of a fidelity check as JUnit XML, which every CI service shows."""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from spikeport.export.fidelity import Comparison, Fidelity


def to_xml(
    found: Mapping[str, Fidelity],
    *,
    network: str,
    proven: bool | None,
    refused: Mapping[str, str] | None = None,
    chips: Mapping[str, tuple[bool | None, str]] | None = None,
) -> str:
    """Return one test suite per executor and one case per population, and a case for the proof of the registers.

    A float network has no registers (``proven`` is None). Executors that cannot run the network, with the reason in
    ``refused``, are skipped cases. ``chips`` that have to run the network are a case each: whether they do, and why
    not; one of which that is not known (None) is skipped.
    """
    root = ET.Element("testsuites", name="spikeport")
    for fidelity in found.values():
        suite = _suite(root, f"{fidelity.executor} against {fidelity.base}", len(fidelity.comparisons))
        for comparison in fidelity.comparisons.values():
            case = ET.SubElement(suite, "testcase", classname=f"{network}.{fidelity.executor}")
            case.set("name", f"{comparison.population} {comparison.quantity}, {comparison.compared} neuron steps")
            if comparison.different:
                _fail(suite, case, describe(comparison))
    for name, why in (refused or {}).items():
        suite = _suite(root, name, 1)
        suite.set("skipped", "1")
        case = ET.SubElement(suite, "testcase", classname=f"{network}.{name}", name="can run the network")
        ET.SubElement(case, "skipped", message=why)
    if proven is not None:
        suite = _suite(root, "proof", 1)
        case = ET.SubElement(suite, "testcase", classname=network, name="no register can wrap or saturate")
        if not proven:
            _fail(suite, case, "for some input a register wraps or saturates; quantize the network again")
    for name, (runs, why) in (chips or {}).items():
        suite = _suite(root, name, 1)
        case = ET.SubElement(suite, "testcase", classname=f"{network}.{name}", name="runs the network")
        if runs is None:
            suite.set("skipped", "1")
            ET.SubElement(case, "skipped", message=why)
        elif not runs:
            _fail(suite, case, why)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def describe(comparison: Comparison) -> str:
    """Return how much of a population differs, and where first."""
    first = comparison.first
    assert first is not None
    return (
        f"{comparison.different} of {comparison.compared} differ; first at sample {first.sample}, step {first.step}, "
        f"neuron {list(first.neuron)}: expected {first.expected:g}, found {first.found:g}"
    )


def _suite(root: ET.Element, name: str, tests: int) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=name, tests=str(tests), failures="0", errors="0")


def _fail(suite: ET.Element, case: ET.Element, message: str) -> None:
    ET.SubElement(case, "failure", message=message)
    suite.set("failures", str(int(suite.get("failures", "0")) + 1))
