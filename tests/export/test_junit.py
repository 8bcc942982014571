from xml.etree import ElementTree as ET

from spikeport.export.fidelity import Comparison, Difference, Fidelity
from spikeport.export.junit import to_xml


def fidelity(different):
    first = Difference(sample=3, step=1, neuron=(2, 0), expected=1.0, found=0.0) if different else None
    good = Comparison("readout", "potentials", compared=50)
    wrong = Comparison("conv1", "spikes", compared=100, different=different, first=first)
    return Fidelity("onnx", {"conv1": wrong, "readout": good})


def test_every_population_is_a_case_and_differences_are_located():
    root = ET.fromstring(to_xml({"onnx": fidelity(7)}, network="net", proven=True))
    suite, proof = root.findall("testsuite")
    assert (suite.get("tests"), suite.get("failures"), proof.get("failures")) == ("2", "1", "0")
    (failure,) = root.iter("failure")
    assert failure.get("message") == ("7 of 100 differ; first at sample 3, step 1, neuron [2, 0]: expected 1, found 0")
    assert [case.get("name") for case in suite] == [
        *("conv1 spikes, 100 neuron steps", "readout potentials, 50 neuron steps")
    ]


def test_missing_proof_fails_and_a_good_verdict_does_not():
    for proven, failures in ((True, 0), (False, 1)):
        root = ET.fromstring(to_xml({"onnx": fidelity(0)}, network="net", proven=proven))
        assert len(list(root.iter("failure"))) == failures


def test_chips_that_have_to_run_the_network_are_cases():
    chips = {"loihi1": (False, "does not run on loihi1: n"), "loihi2": (None, "not known"), "mine": (True, "runs")}
    root = ET.fromstring(to_xml({}, network="net", proven=True, chips=chips))
    found = {suite.get("name"): (suite.get("failures"), suite.get("skipped")) for suite in root}
    assert found == {"proof": ("0", None), "loihi1": ("1", None), "loihi2": ("0", "1"), "mine": ("0", None)}
    assert [each.get("message") for each in root.iter("failure")] == ["does not run on loihi1: n"]
    assert [each.get("message") for each in root.iter("skipped")] == ["not known"]
