"""The exported network does what the trained one does."""


def test_every_executor_gives_the_same_spikes(spikeport_fidelity):
    verdict = spikeport_fidelity()
    assert all(found.compared > 0 for found in verdict.executors.values())
    assert verdict.passed, verdict.text()
