"""The time of an image: the largest term of every step by hand, what it rests on, and when it is a bound."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.chip_steps import StepTimes
from spikeport.hardware_profiles.evidence import assumed, mark, marked, not_minimum, scaled
from spikeport.hardware_profiles.latency import latency, shown
from spikeport.hardware_profiles.load import core_load
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import Constant, Latency, constants, load_profile, profile_names
from tests.hardware_profiles.networks import convolutional, limited

NETWORK = small_network()
LOAD = core_load(NETWORK, random_stimulus(NETWORK, 1, 0), place(NETWORK, load_profile("loihi1")))
MINIMUM = Constant(value=1.0, unit="s", evidence="published", source="a test", stated_as="minimum")


def load_of(alone, ring, images=1):
    """Return a load whose kinds of work take these seconds in every chip step."""
    alone = {name: np.array(each, float) for name, each in alone.items()}
    ring = {name: np.array(each, float) for name, each in ring.items()}
    times = StepTimes(
        alone=alone,
        back_to_back=ring,
        images=images,
        latency_steps=next(iter(alone.values())).shape[1],
        interval_steps=len(next(iter(ring.values()))) // images,
        constants=("accumulate", "neuron_update"),
    )
    return replace(LOAD, times=times)


def with_latency(name="loihi1", **changed):
    """Return a profile with these times alone."""
    return msgspec.structs.replace(load_profile(name), latency=Latency(**changed))


def test_a_step_takes_its_largest_term_and_then_the_synchronisation():
    """Alone: steps of 5, 7 and the barrier's 1; back to back 5 and 9 for two images."""
    profile = load_profile("loihi1_silicon_fit")
    table = msgspec.structs.replace(profile.latency.synchronisation, value=(0.5, 1.0, 1.0, 1.0))
    times = msgspec.structs.replace(profile.latency, barrier=MINIMUM, synchronisation=table)
    placement = place(NETWORK, msgspec.structs.replace(profile, latency=times))
    assert len(placement.cores) <= 4
    load = load_of(
        {"neurons": [[5, 2, 0]], "synapses": [[3, 7, 0]]},
        {"neurons": [5, 2], "synapses": [3, 9]},
    )
    found = latency(placement, load)
    assert found.latency == 5 + 7 + 1 + 3 * 0.5
    assert found.interval == 5 + 9 + 2 * 0.5
    assert (found.latency_steps, found.interval_steps) == (3, 2)
    assert found.shares == {"neuron updates": 0.5, "synapses": 0.5}


def test_times_are_those_of_a_mean_image():
    placement = place(NETWORK, with_latency(accumulate=MINIMUM))
    load = load_of({"synapses": [[1, 2], [30, 7]]}, {"synapses": [1, 2, 30, 7]}, images=2)
    found = latency(placement, load)
    assert found.latency == found.interval == (3 + 37) / 2


def test_both_ways_over_a_link_are_one_share():
    placement = place(NETWORK, with_latency(link_message=MINIMUM))
    load = load_of({"arriving": [[1, 2]], "leaving": [[2, 1]]}, {"arriving": [1, 2], "leaving": [2, 1]})
    assert latency(placement, load).shares == {"messages over a link": 1.0}


def test_synchronisation_follows_the_tiles_in_use():
    """Four cores are a tile; of a placement on several chips, those of a full one count."""
    network, images = convolutional(side=4), random_stimulus(convolutional(side=4), 1, 0)
    for neurons, most, seconds in ((64, 128, 0.6e-6), (4, 128, 1.4e-6), (4, 5, 1.0e-6)):
        profile = limited("loihi1_silicon_fit", neurons=neurons, cores_per_chip=most)
        placement = place(network, profile, "unrolled")
        tiles = -(-min(len(placement.cores), most) // 4)
        table = profile.latency.synchronisation
        alone = msgspec.structs.replace(profile, latency=Latency(synchronisation=table))
        placement = replace(placement, profile=alone)
        found = latency(placement, core_load(network, images, placement))
        assert table.at(tiles) == seconds
        assert found.interval == pytest.approx(network.steps * seconds)
        assert found.latency == pytest.approx((network.steps + 2) * seconds)


def test_latency_without_constants_is_unknown():
    placement = place(NETWORK, load_profile("spinnaker2"))
    found = latency(placement, core_load(NETWORK, random_stimulus(NETWORK, 1, 0), placement))
    assert (found.latency, found.interval, found.kind) == (None, None, None)
    assert len(found.unknown) == 7
    assert shown(found.to_dict(), "latency") == "unknown"


def test_what_a_profile_lacks_is_named():
    found = latency(place(NETWORK, load_profile("loihi1")), LOAD)
    expected = ("sending messages", "receiving messages", "memory reads", "messages over a link")
    assert found.unknown == expected
    fitted = place(NETWORK, load_profile("loihi1_silicon_fit"))
    assert latency(fitted, LOAD).unknown == ("memory reads", "messages over a link")


@pytest.mark.parametrize("name", [name for name in profile_names() if load_profile(name).latency != Latency()])
def test_no_profile_that_comes_along_gives_a_lower_bound(name):
    """None of their times is published as a minimum throughout."""
    placement = place(NETWORK, load_profile(name))
    found = latency(placement, core_load(NETWORK, random_stimulus(NETWORK, 1, 0), placement))
    assert found.kind == "estimate"
    assert found.not_minimum
    assert ">=" not in shown(found.to_dict(), "latency")


def test_maxima_are_named_as_their_sources_call_them():
    assert (
        latency(place(NETWORK, load_profile("loihi1")), LOAD).not_minimum["latency.accumulate"] == "published, maximum"
    )
    placement = place(NETWORK, load_profile("loihi2"))
    found = latency(placement, core_load(NETWORK, random_stimulus(NETWORK, 1, 0), placement))
    assert found.not_minimum["latency.barrier"] == "published, maximum"
    assert found.not_minimum["latency.accumulate"] == "scaled, maximum"


def bound(**changed):
    """Return the times of a network on a chip whose two constants are published minima, but for what is changed."""
    profile = with_latency(accumulate=MINIMUM, barrier=msgspec.structs.replace(MINIMUM, **changed))
    placement = place(NETWORK, profile)
    return latency(placement, core_load(NETWORK, random_stimulus(NETWORK, 1, 0), placement))


def test_published_minima_alone_make_a_lower_bound():
    assert bound().kind == "lower bound"
    assert bound().not_minimum == {}
    assert shown(bound().to_dict(), "latency").startswith(">= ")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stated_as": "maximum"}, "published, maximum"),
        ({"stated_as": "typical"}, "published, typical"),
        ({"stated_as": None}, "published"),
        ({"evidence": "fitted"}, "fitted, minimum"),
        ({"evidence": "assumed"}, "assumed, minimum"),
        ({"reading": "the shortest step"}, "published, minimum, our reading"),
    ],
)
def test_one_constant_that_is_no_published_minimum_makes_an_estimate(changed, said):
    found = bound(**changed)
    assert found.kind == "estimate"
    assert found.not_minimum == {"latency.barrier": said}


def test_a_constant_that_nothing_uses_makes_no_estimate():
    """No kernel is shared, so the time of a shared synapse is in no figure."""
    fitted = msgspec.structs.replace(MINIMUM, evidence="fitted")
    profile = with_latency(accumulate=MINIMUM, accumulate_shared=fitted)
    for strategy, kind in (("unrolled", "lower bound"), ("shared", "estimate")):
        network = convolutional()
        placement = place(network, profile, strategy)
        assert latency(placement, core_load(network, random_stimulus(network, 1, 0), placement)).kind == kind


def test_every_projection_has_the_time_of_its_own_kind_of_synapses():
    """The convolution's kernel is shared, the readout's synapses are not; both lie on cores of their own."""
    network = convolutional()
    images = random_stimulus(network, 2, 0)
    shared, written = (msgspec.structs.replace(MINIMUM, value=value) for value in (1.0, 1000.0))
    first, second = [], []
    for own in (shared, written):
        placement = place(network, with_latency(accumulate=written, accumulate_shared=own), "shared")
        seconds = core_load(network, images, placement).times.alone["synapses"]
        first.append(seconds[:, 0])
        second.append(seconds[:, network.steps])
    assert first[0].min() > 0
    assert np.array_equal(1000 * first[0], first[1])
    assert second[0].min() > 0
    assert np.array_equal(*second)


def test_marks_say_what_is_assumed_read_or_of_another_chip():
    plain, read = MINIMUM, msgspec.structs.replace(MINIMUM, reading="as a test says")
    given = {
        "a": plain,
        "b": msgspec.structs.replace(plain, evidence="assumed"),
        "c": msgspec.structs.replace(read, evidence="scaled"),
        "d": read,
    }
    assert (assumed(given), scaled(given)) == (("b", "c", "d"), ("c",))
    assert set(not_minimum(given)) == {"b", "c", "d"}
    assert [mark(*pair) for pair in (((), ()), (("b",), ()), ((), ("c",)), (("c",), ("c",)))] == ["", "*", "~", "*~"]
    assert marked(("b", "c"), ("c", "e")) == "b*, c*~, e~"


def test_times_are_plain_data():
    found = latency(place(NETWORK, load_profile("loihi1")), LOAD).to_dict()
    expected = {"latency", "interval", "latency_steps", "interval_steps", "shares", "unknown", "kind", "refused"}
    assert set(found) == expected | {"not_minimum", "assumed", "scaled"}
    assert found["assumed"] == ["latency.neuron_update", "latency.neuron_update_active"]


def test_sources_call_loihis_constants_what_the_profile_says():
    named = {key: each.stated_as for key, each in constants(load_profile("loihi1")).items() if each.stated_as}
    assert named == {"energy.accumulate": "minimum", "latency.accumulate": "maximum"}
    assert constants(load_profile("truenorth"))["latency.barrier"].stated_as == "typical"
