"""Class names in frames, with any version of OpenCV."""

import numpy as np
import pytest

from edge.display.names import can_write, rendered, written_name
from edge.model_file.info import ModelInfo

NAMES = ("dog", "Straße", "犬", "कुत्ता", "\U0001f415", "a\tb", "what?")
INFO = ModelInfo(NAMES, ((0, 0, 1),) * len(NAMES))


@pytest.mark.parametrize("index", range(len(NAMES)))
def test_written_names_have_no_question_marks_of_their_own(index):
    text = written_name(INFO, index)
    assert text in (NAMES[index], f"class {index}")
    marks = [rendered("?" * count) for count in range(1, 5)]
    for letter in set(text) - {"?"}:
        assert not any((rendered(letter) == each).all() for each in marks)


def test_names_that_no_version_of_opencv_writes():
    assert [written_name(INFO, index) for index in (0, 3, 4, 5, 6)] == [
        *("dog", "class 3", "class 4", "class 5", "what?")
    ]
    assert can_write("a") and not can_write("\U0001f415")
    assert np.any(rendered("a"))
