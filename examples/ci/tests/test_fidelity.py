"""The exported network does what the trained one does."""


def test_every_executor_gives_the_same_spikes(spikeport_fidelity):
    for executor, found in spikeport_fidelity().items():
        assert found["compared"] > 0
        assert found["mismatches"] == 0, f"{executor}: {found['populations']}"
