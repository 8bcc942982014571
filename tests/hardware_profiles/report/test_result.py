"""One `passed` with its reasons, and the way through JSON and back."""

import json
from dataclasses import replace

import pytest

from spikeport.export.errors import ArchiveError
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.report.sections import Accuracy, AttackedWith

NETWORK = small_network()
REPORT = report(NETWORK, random_stimulus(NETWORK, 3, 0), ["loihi1", "speck"], relative_to=NETWORK)
RUN = {
    "accuracy": (
        Accuracy(title="dense ANN", stage="dense", clean=0.9, robust=0.75, sparsity=0.0),
        Accuracy(title="Lava", stage="check", clean=0.8),
    ),
    "attack": AttackedWith(name="PGD-10", epsilon=8.0, images=500),
    "attacks": (AttackedWith(name="PGD-50", epsilon=16.0, images=20, stage="long", network=0.5, integer=0.25),),
    "fidelity": {"lava": {"compared": 100, "mismatches": 0}},
    "sparsity": {"global": 0.9, "integer": 0.91, "weights": 1000},
}


COUNTS = REPORT.operations.verification.layers


def with_counts(number, **changes):
    """Return the report with other counts of a projection on the sampled images."""
    verification = REPORT.operations.verification
    layers = list(verification.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(
        REPORT, operations=replace(REPORT.operations, verification=replace(verification, layers=tuple(layers)))
    )


def with_fidelity(**mismatches):
    found = {name: {"compared": 1000, "mismatches": number} for name, number in mismatches.items()}
    return REPORT.with_run(**{**RUN, "fidelity": found})


FAILED = {
    "simulation": (
        with_counts(1, simulated=COUNTS[1].simulated + 1),
        [f"kernels of the simulation {COUNTS[1].simulated + 1:,}; expected equal numbers."],
    ),
    "graded input": (with_counts(0, simulated=0), ["input -> conv1: Eq. 12 counts"]),
    "event by event": (
        with_counts(1, reference=7),
        [f"conv1 -> readout: Eq. 12 counts {COUNTS[1].reference:,} operations and the reference, event by event, 7;"],
    ),
    "neurons": (
        with_counts(1, neurons_different=3),
        ["conv1 -> readout: at 3 neurons another number of accumulates arrives"],
    ),
    "spikes": (
        with_counts(1, neurons_miscounted=2),
        ["conv1 -> readout: of 2 source neurons the kernels count other numbers of spikes than the trace holds;"],
    ),
    "all three": (with_counts(0, simulated=1, reference=2, neurons_different=3), ["simulation 1", "event, 2", "at 3"]),
    "the other network": (
        replace(REPORT, relative=replace(REPORT.relative, reasons=("a -> b: Eq. 12 counts 1 and 2.",))),
        ["The other network, a -> b: Eq. 12 counts 1 and 2."],
    ),
    "proof": (replace(REPORT, network=replace(REPORT.network, proven=False)), ["The registers are not proven"]),
    "fidelity": (with_fidelity(lava=0, onnx=1), ["onnx: 1 of 1,000 compared neuron steps differ."]),
    "two of them": (
        replace(with_fidelity(lava=2000), network=replace(REPORT.network, proven=False)),
        ["The registers", "lava: 2,000"],
    ),
}


def test_what_agrees_passes():
    assert [REPORT.network.proven, REPORT.operations.verification.passed] == [True, True]
    for each in (REPORT, REPORT.with_run(**RUN)):
        assert each.passed
        assert each.reasons == ()


@pytest.mark.parametrize("name", FAILED)
def test_what_differs_fails_with_a_sentence_each(name):
    found, expected = FAILED[name]
    assert not found.passed
    assert len(found.reasons) == len(expected)
    for sentence, part in zip(found.reasons, expected, strict=True):
        assert part in sentence
        assert sentence.endswith(".")


def test_differences_that_cancel_in_the_total_fail():
    first, second = COUNTS
    layers = (
        replace(first, graded=False, simulated=first.simulated + 5),
        replace(second, simulated=second.simulated - 5),
    )
    verification = replace(REPORT.operations.verification, layers=layers)
    found = replace(REPORT, operations=replace(REPORT.operations, verification=verification))
    assert sum(layer.difference for layer in verification.layers) == 0
    assert len(found.reasons) == 2


@pytest.mark.parametrize("found", [REPORT, REPORT.with_run(**RUN), *(each for each, _ in FAILED.values())])
def test_json_gives_the_same_report_again(found):
    document = json.loads(json.dumps(found.to_dict()))
    again = Report.from_dict(document)
    assert again.to_dict() == document
    assert again.reasons == found.reasons
    assert again == found


def test_sections_of_a_run_are_absent_without_one():
    assert not RUN.keys() & set(REPORT.to_dict())
    document = REPORT.with_run(**RUN).to_dict()
    assert {key: document[key] for key in ("fidelity", "sparsity")} == {
        key: RUN[key] for key in ("fidelity", "sparsity")
    }
    assert document["attack"] == RUN["attack"].to_dict()
    assert [document["accuracy"], document["attacks"]] == [
        [each.to_dict() for each in RUN[key]] for key in ("accuracy", "attacks")
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 1}, "a report of schema 1; expected 4: write it again"),
        ({"schema": 3}, "a report of schema 3; expected 4: write it again"),
        ({"schema": None}, "a report of schema None; expected 4"),
        ({"network": 3}, "not a report of schema 4"),
        ({"operations": {}}, "not a report of schema 4"),
        ({"energy": {"loihi1": {}}}, "not a report of schema 4"),
        ({"placement": []}, "not a report of schema 4"),
        ({"placement": {"loihi1": None}}, "not a report of schema 4"),
    ],
)
def test_another_document_is_refused(change, message):
    with pytest.raises(ArchiveError, match=message):
        Report.from_dict(REPORT.to_dict() | change)


@pytest.mark.parametrize("compared", [{}, {"compared": 1}, {"compared": 1, "mismatches": None}, {"mismatches": 0}])
def test_fidelity_without_its_numbers_is_refused(compared):
    message = "fidelity of lava: expected the whole numbers 'compared' and 'mismatches'"
    with pytest.raises(ArchiveError, match=message):
        REPORT.with_run(**{**RUN, "fidelity": {"lava": compared}})
    with pytest.raises(ArchiveError, match=message):
        Report.from_dict(REPORT.to_dict() | {"fidelity": {"lava": compared}})


def test_a_document_without_a_schema_is_refused():
    with pytest.raises(ArchiveError, match="not a report of schema 4"):
        Report.from_dict({})


def test_a_report_is_frozen():
    with pytest.raises(AttributeError):
        REPORT.date = "today"
