"""Labels are whole numbers, one a sample, each a class of the network; what they are instead is said."""

import numpy as np
import pytest

from spikeport.export.errors import StimulusError
from spikeport.export.stimulus.labels import check_classes, one_per_sample

LABELS = np.array([2, 0, 1])


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype(">i2"), LABELS.astype(np.uint8)])
def test_labels_are_taken_in_a_row_or_a_column(labels):
    assert one_per_sample(labels, 3).tolist() == [2, 0, 1]
    assert one_per_sample(np.array(5), 1).tolist() == [5]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.eye(3)[LABELS],
            r"float64 of shape \(3, 3\); expected 3 integers, one a sample: one-hot rows .*argmax\(1\)",
        ),
        (np.eye(3, dtype=int)[LABELS], r"int64 .*one-hot rows become numbers by labels\.argmax\(1\)"),
        (LABELS.astype(float), r"float64 of shape \(3,\); expected 3 integers: labels\.astype\(int\) makes them"),
        (LABELS > 0, r"bool of shape \(3,\); expected 3 integers"),
        (LABELS[:2], r"int64 of shape \(2,\); expected 3 integers$"),
    ],
)
def test_labels_of_another_form_are_refused_with_the_way(labels, message):
    with pytest.raises(StimulusError, match=f"'labels' is {message}"):
        one_per_sample(labels, 3)


def test_a_label_that_is_no_class_is_refused():
    check_classes(LABELS, 3)
    with pytest.raises(StimulusError, match=r"sample 0 has label 3; expected labels 0 to 2: .* 3 classes; .* from 1"):
        check_classes(LABELS + 1, 3)
    with pytest.raises(StimulusError, match=r"sample 1 has label -1; expected labels 0 to 9: .* 10 classes$"):
        check_classes(np.array([0, -1, 9]), 10)
