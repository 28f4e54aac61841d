import json

import pytest

from benchmarks.decoding import decoding_table, made_up, main


def test_every_step_is_timed(capsys):
    main(["--rounds", "1", "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["frame"] == [540, 960]
    assert list(figures["objects"]) == ["20", "100"]
    few, many = figures["objects"].values()
    assert few["found"] == 20 and 80 < many["found"] <= 100
    assert few["millis"].keys() == {"boxes", "crops", "masks"}
    assert min(few["millis"].values()) > 0


def test_the_outputs_are_those_of_an_int8_network():
    scores, boxes, coefficients, prototypes = made_up(20)
    assert scores.raw.shape == (3465, 6) and prototypes.raw.shape == (88, 120, 32)
    assert all(x.raw.dtype == "uint8" and x.spec.scale for x in (scores, boxes))
    # 20 objects, each found by 5 cells.
    assert (scores.dequantize().max(axis=1) >= 0.3).sum() == 100
    assert coefficients.dequantize().min() == pytest.approx(-1, abs=0.01)


def test_the_table_has_a_row_for_each_number():
    millis = {"boxes": 0.211, "crops": 0.34, "masks": 1.08}
    objects = {"20": {"found": 19, "millis": millis}}
    text = decoding_table({"frame": (540, 960), "objects": objects})
    assert text.splitlines() == [
        "milliseconds for a frame of 540x960",
        "objects  found    boxes    crops    masks",
        "     20     19     0.21     0.34     1.08",
    ]
