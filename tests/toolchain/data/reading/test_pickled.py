"""Pickles are read without any of their code being run."""

import io
import os
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import DataError
from spikeport.toolchain.data.reading import pickled
from tests.strategies import cases
from tests.toolchain.data import made


def nested(*leaves):
    return st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(), *leaves
        ),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
        max_leaves=8,
    )


dictionaries = st.one_of(
    st.tuples(st.integers(0, 2), st.dictionaries(st.text(), nested())),
    st.tuples(st.integers(3, 4), st.dictionaries(st.text(), nested(st.binary()))),
)


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@cases(50)
@given(dictionaries)
def test_plain_values_are_those_that_python_reads(case):
    protocol, value = case
    data = pickle.dumps(value, protocol=protocol)
    assert pickled.read(data) == pickle.loads(data) == value


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_bytes_comes_back(protocol, order):
    array = np.array(np.arange(240, dtype=np.uint8).reshape(4, 60), order=order)
    found = pickled.read(pickle.dumps({"data": array}, protocol=protocol))
    assert np.array_equal(found["data"], array)


def test_python_2s_instructions_are_read():
    images, labels = made.random_images(12)
    found = pickled.read(made.python2_pickle(images, labels))
    assert np.array_equal(found["data"].reshape(images.shape), images)
    assert found["labels"] == labels.tolist()
    assert list(found) == ["batch_label", "labels", "data", "filenames"]


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_runs_nothing(protocol, tmp_path):
    mark = tmp_path / "was run"
    for call in (
        Hostile(os.system, f"touch '{mark}'"),
        Hostile(eval, f"open({str(mark)!r}, 'w')"),
        Hostile(Path.touch, mark),
        Hostile(subprocess.check_call, ["touch", str(mark)]),
    ):
        data = pickle.dumps({"data": call, "labels": [0]}, protocol=protocol)
        with pytest.raises(
            DataError, match=r"which is never loaded|only numbers, texts and arrays are read|protocol 5"
        ):
            pickled.read(data)
    assert not mark.exists()
    pickle.loads(data)
    assert mark.exists(), "the pickle would not have done anything"


def test_nothing_is_imported_for_a_name_in_a_pickle(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    for data in (b"\x80\x02}U\x01actrap\nthing\ns.", b"\x80\x04}\x8c\x01a\x8c\x04trap\x8c\x05thing\x93s."):
        with pytest.raises(DataError, match=r"asks for trap\.thing, which is never loaded"):
            pickled.read(data)
    assert "trap" not in sys.modules


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "damaged pickle"),
        (b"\x80\x02}", "damaged pickle|cut off"),
        (b"\x80\x02K\x01.", "a pickle of int; expected a dictionary"),
        (b"\x80\x05}.", "protocol 5; expected at most 4"),
        (b"\x80\x02}K\x01K\x02s.", "key of type int; expected text"),
        (b"\x80\x02}q\x01(h\x01h\x01u.", "damaged pickle"),
        (b"\x80\x02\x87.", "values that are not there"),
        (b"\x80\x02}U\x01aP1\ns.", "the instruction PERSID"),
        (b"\x80\x02(ios\nsystem\n.", "the instruction INST"),
        (b"\x80\x02}\x82\x01.", "the instruction EXT1"),
        (b"\x80\x02}U\x01acnumpy\ndtype\nU\x02u1\x85Rs.", "array of type 'u1'|damaged"),
        (b"\x80\x02}U\x01acnumpy\ndtype\nU\x02O8K\x00K\x01\x87Rs.", "array of type 'O8'; expected unsigned bytes"),
        (b"\x80\x02}U\x01aK\x05)Rs.", "calls what is no function"),
        (b"\x80\x02}U\x01aK\x05)bs.", "gives a state to what is no array"),
        (b"\x80\x02}U\x01acnumpy\nndarray\n)Rs.", "calls what is no function"),
        (b"\x80\x02}U\x01acnumpy\nload\nU\x01x\x85Rs.", "asks for numpy.load, which is never loaded"),
    ],
)
def test_what_no_array_needs_is_refused_by_name(data, words):
    with pytest.raises(DataError, match=words):
        pickled.read(data)


def test_an_array_must_have_the_bytes_that_its_shape_says():
    data = made.python2_pickle(*made.random_images(2))
    place = data.index(b"M\x02\x00M\x00\x0c")
    for shape in (b"M\x03\x00M\x00\x0c", b"J\xff\xff\xff\xffK\x01", b"J\xff\xff\xff\x7fK\x01"):
        with pytest.raises(DataError, match=r"it is damaged|a form that numpy does not write"):
            pickled.read(data[:place] + shape + data[place + 6 :])


@cases(200)
@given(st.data())
def test_any_damage_is_a_sentence_or_a_dictionary(data):
    content = bytearray(made.python2_pickle(*made.random_images(3, (1, 2, 2))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(pickled.read(bytes(content)), dict)
    except DataError as error:
        assert str(error).isprintable()


def test_the_table_holds_instructions_that_exist():
    names = {each.name for each in pickletools.opcodes}
    assert {*pickled._ACTIONS, *pickled._CONSTANTS} <= names
    assert not {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "PERSID", "BINPERSID"} & {*pickled._ACTIONS}
    assert pickletools.dis(made.python2_pickle(*made.random_images(2)), out=io.StringIO()) is None
