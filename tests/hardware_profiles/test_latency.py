"""The latency's lower bound: the largest term of every step, by hand."""

import msgspec
import numpy as np
import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import CoreLoad
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.networks import convolutional

NETWORK = small_network()


def load_of(operations, messages):
    operations, messages = np.array(operations), np.array(messages)
    return CoreLoad(
        operations=operations.sum(axis=1).astype(float),
        operations_max=operations.sum(axis=1),
        messages=10.0,
        hops=(3.0, 4.0),
        off_chip=0.0,
        busiest_operations=operations,
        busiest_messages=messages,
    )


def test_latency_is_the_largest_term_of_every_step():
    """200 accumulates of 3.5 ns, then 36 neurons of 5.3 ns, which take longer than a barrier of 113 ns."""
    placement = place(NETWORK, load_profile("loihi1"))
    found = latency(placement, load_of([[200, 1]], [[1, 1]]))
    assert found.seconds == pytest.approx(200 * 3.5e-9 + 36 * 5.3e-9)
    assert found.shares == {"accumulates": 0.5, "neuron updates": 0.5}
    assert found.unknown == ("memory reads", "messages over a link")


def test_latency_without_constants_is_unknown():
    placement = place(NETWORK, load_profile("spinnaker2"))
    found = latency(placement, load_of([[200, 1]], [[1, 1]]))
    assert found.seconds is None
    assert len(found.unknown) == 5


def test_memory_reads_and_links_count_where_a_profile_has_them():
    profile = load_profile("loihi1")
    second = msgspec.structs.replace(profile.latency.barrier, value=1.0)
    changed = msgspec.structs.replace(profile.latency, link_message=second)
    placement = place(NETWORK, msgspec.structs.replace(profile, latency=changed))
    assert latency(placement, load_of([[200, 1]], [[7, 5]])).seconds == 12.0


def with_latency(name="loihi1", **constants):
    """Return a profile with other times; None takes one away."""
    profile = load_profile(name)
    given = profile.latency.barrier
    changed = {key: value and msgspec.structs.replace(given, value=value) for key, value in constants.items()}
    return msgspec.structs.replace(profile, latency=msgspec.structs.replace(profile.latency, **changed))


@pytest.mark.parametrize(
    ("term", "seconds"),
    [
        ("neuron_update", 36.0 + 36.0),
        ("accumulate", 200.0 + 1.0),
        ("memory_read", 7.0 + 5.0),
        ("link_message", 7.0 + 5.0),
        ("barrier", 1.0 + 1.0),
    ],
)
def test_each_term_counts_its_own_events(term, seconds):
    """36 neurons on the larger core, 200 and 1 accumulates, 7 and 5 messages, one barrier a step."""
    terms = dict.fromkeys(("neuron_update", "accumulate", "memory_read", "link_message", "barrier"))
    placement = place(NETWORK, with_latency(**terms | {term: 1.0}))
    found = latency(placement, load_of([[200, 1]], [[7, 5]]))
    assert found.seconds == seconds
    assert list(found.shares.values()) == [1.0]
    assert len(found.unknown) == 4


def test_latency_is_the_mean_over_images_of_the_sum_over_steps():
    terms = dict.fromkeys(("neuron_update", "memory_read", "link_message", "barrier"))
    placement = place(NETWORK, with_latency(**terms, accumulate=1.0))
    assert latency(placement, load_of([[1, 2], [30, 7]], [[0, 0], [0, 0]])).seconds == (3 + 37) / 2


def test_shared_kernels_take_the_smaller_of_both_times():
    """A bound from below: a core with both kinds of synapses may use either."""
    profile = load_profile("loihi1_silicon_fit")
    times = profile.latency
    least = min(times.accumulate.value, times.accumulate_shared.value)
    load = load_of([[10**6, 10**6]], [[0, 0]])
    found = {s: latency(place(convolutional(), profile, s), load).seconds for s in ("unrolled", "shared")}
    assert found["unrolled"] == pytest.approx(2e6 * times.accumulate.value)
    assert found["shared"] == pytest.approx(2e6 * least)
    assert least < times.accumulate.value


def test_the_bound_is_plain_data():
    found = latency(place(NETWORK, load_profile("loihi1")), load_of([[200, 1]], [[1, 1]])).to_dict()
    assert list(found) == ["seconds", "shares", "unknown"]
    assert found["unknown"] == ["memory reads", "messages over a link"]
