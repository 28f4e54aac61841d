"""Which file of labels was probably meant for an image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.open import open_data
from kseg.data.similar_names import probably_meant


@pytest.mark.parametrize(
    ("stem", "masks", "meant"),
    [
        ("a1", ["a1_mask", "b1_mask"], "a1_mask"),
        ("img_7", ["img_007", "img_070"], "img_007"),
        ("Street", ["street", "streets"], "street"),
        ("a.jpg", ["gt a"], "gt a"),
        ("berlin_000_leftImg8bit", ["berlin_001_leftImg8bit"], None),
        ("a1", ["a1_mask", "a1_labels"], None),  # which one is not known
        ("mask", ["labels"], None),  # no word is left
        ("ab", ["a"], None),
    ],
)
def test_names_that_differ_by_what_tools_add(stem, masks, meant):
    paths = [Path(f"masks/{name}.png") for name in masks]
    found = probably_meant(stem, paths)
    assert (found and found.stem) == meant


@pytest.mark.parametrize("kind", ["masks", "instances"])
def test_the_error_names_it(tmp_path, kind):
    for folder, stem in (("images", "a1"), (kind, "a1_mask")):
        (tmp_path / folder).mkdir()
        array = np.arange(64, dtype=np.uint8).reshape(8, 8) % 2
        Image.fromarray(array).save(tmp_path / folder / f"{stem}.png")
    with pytest.raises(InputError) as caught:
        open_data(str(tmp_path))
    hint = f"if {tmp_path / kind}/a1_mask.png is meant, rename it to a1.png; else add "
    assert hint in str(caught.value)
