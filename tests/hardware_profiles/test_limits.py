"""Every rule of a core has its sentence and its resource; the first that is broken is named."""

import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.hardware_profiles.limits import RULES, CoreUse, first_violation, sentence
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import load_profile, profile_names
from tests.hardware_profiles.networks import limited

NETWORK = small_network()
CHIPS = [name for name in profile_names() if load_profile(name).limits is not None]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", CHIPS)
def test_every_rule_has_its_sentence_and_its_resource(rule, name):
    assert sentence(rule).endswith(".")
    use = place(NETWORK, load_profile(name)).cores[0].use
    found = rule(load_profile(name), use)
    assert found.resource == rule.__name__
    assert found.used == getattr(use, rule.__name__)


USE = {"neurons": 5, "synapses": 9, "synaptic_memory": 8, "core_memory": 8, "input_axons": 1, "output_axons": 1}


@pytest.mark.parametrize("rule", RULES)
def test_a_core_may_be_full_and_not_one_more(rule):
    profile = load_profile("loihi1") if rule.__name__ != "core_memory" else load_profile("loihi2")
    limit = int(getattr(profile.limits, rule.__name__).value)
    full, over = (CoreUse(**{**USE, rule.__name__: limit + more}) for more in (0, 1))
    assert first_violation(profile, full) is None
    broken, found = first_violation(profile, over)
    assert broken is rule
    assert (found.used, found.available) == (limit + 1, limit)


def test_what_has_no_published_limit_breaks_none():
    profile = limited(input_axons=None)
    assert first_violation(profile, CoreUse(**{**USE, "input_axons": 10**9})) is None
