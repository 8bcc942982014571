"""Every mutant of the tables fails its tests, and the same tests pass without it."""

import pytest

from tests.mutation.mutants import ROOT, applied, areas, copy_of_the_tree, killer, run_tests

MUTANTS = [mutant for mutants in areas().values() for mutant in mutants]
TESTS = tuple(sorted({test for mutant in MUTANTS for test in mutant.tests}))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_of_the_tree(tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_can_be_applied(mutant):
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert all((ROOT / test.split("::")[0]).is_file() for test in mutant.tests)


@pytest.mark.slow
@pytest.mark.parametrize("test", TESTS)
def test_tests_pass_on_an_unchanged_copy(test, tree):
    assert killer(run_tests((test,), tree)) is None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_fails_its_tests(mutant, tree):
    with applied(mutant, tree):
        assert killer(run_tests(mutant.tests, tree)) is not None
