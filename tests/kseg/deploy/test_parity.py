import math
import zlib

import pytest

from edge.core.errors import GateFailed
from kseg.cli.tables import parity_table
from kseg.core.configs import ExportConfig
from kseg.core.task_defaults import max_drop_of
from kseg.deploy.parity import (
    add_shifts,
    check_gate,
    largest_drop,
    sizes,
    warn_without_objects,
)
from kseg.evaluation.loop import Comparison
from kseg.evaluation.objects import ObjectEvaluator

ROW = {
    "mean_iou": 0.7,
    "drop": 0.0,
    "agreement": 1.0,
    "bytes": None,
    "compressed_bytes": None,
    "latency_millis": 80.04,
    "single_thread_millis": None,
    "threads": 2,
}


def test_the_gate_names_the_worst_file_its_drop_and_the_limit():
    parity = {
        "headline": "mean_iou",
        "keras": {"drop": 0.0},
        "float32": {"drop": 0.001},
        "int8": {"drop": 0.05},
    }
    check_gate(parity, max_drop=0.05)
    line = "int8: mean IoU dropped by 0.05; the limit is --max-drop 0.02"
    with pytest.raises(GateFailed, match=line) as error:
        check_gate(parity, max_drop=0.02)
    assert error.value.status == 3 and error.value.result is None


@pytest.mark.parametrize("name", ["mixed", "mended"])
def test_a_mixed_precision_file_replaces_its_int8_file(name):
    """Files of earlier versions have the name mended."""
    parity = {
        "headline": "mean_iou",
        "keras": {"drop": 0.0},
        "int8": {"drop": 0.3},
        name: {"drop": 0.01},
    }
    check_gate(parity, max_drop=0.02)
    with pytest.raises(GateFailed, match=f"{name}: mean IoU dropped by 0.01; the"):
        check_gate(parity, max_drop=0.005)


def with_shifts(**drops):
    shifts = {name.replace("_", " "): {"drop": drop} for name, drop in drops.items()}
    return {"headline": "mean_iou", "keras": ROW, "int8": ROW | {"shifts": shifts}}


def test_the_gate_holds_in_other_light():
    parity = with_shifts(gamma_2=0.03, blur=-0.01)
    check_gate(parity, max_drop=0.03)
    line = "int8: mean IoU dropped by 0.03 on images of val with gamma 2; the limit is"
    with pytest.raises(GateFailed, match=line):
        check_gate(parity, max_drop=0.02)


def test_a_drop_in_other_light_that_is_no_number_does_not_pass():
    with pytest.raises(GateFailed, match="^int8: mean IoU is not a finite number"):
        check_gate(with_shifts(gamma_2=math.nan), 0.5)


def test_a_gate_passes_a_gain_in_all_light():
    assert largest_drop(with_shifts(gamma_2=-0.03)["int8"]) == (0, "")
    parity = with_shifts(gamma_2=-0.03)
    parity["int8"]["drop"] = -0.01
    check_gate(parity, max_drop=0)


def test_each_shift_is_compared_with_the_same_shift_of_keras():
    parity = {"headline": "mean_iou", "keras": dict(ROW), "int8": dict(ROW)}
    values = {"keras": {"gamma 2": 0.75}, "int8": {"gamma 2": 0.5}}
    add_shifts(parity, values, 40)
    assert parity["int8"]["shifts"] == {"gamma 2": {"mean_iou": 0.5, "drop": 0.25}}
    assert parity["keras"]["shifts"] == {"gamma 2": {"mean_iou": 0.75, "drop": 0}}
    assert parity["int8"]["shift_images"] == 40
    add_shifts(parity, {}, 40)  # nothing is labelled in these images


def test_the_table_shows_the_worst_shift_of_each_file():
    parity = with_shifts(gamma_2=0.0123, blur=-0.01)
    parity["keras"] = ROW | {"shifts": {"gamma 2": {"drop": 0.0}}}
    parity["int8"] |= {"bytes": 2048, "compressed_bytes": 1536}
    header, _, keras, int8 = parity_table(parity, (64, 64), None).splitlines()
    assert "worst in other light" in header
    assert keras.split() == ["keras,", "64x64", "0.7000", "80.0"]
    assert int8.split()[:5] == ["int8", "0.7000", "+0.0000", "+0.0123", "gamma"]


def test_sizes_are_plain_and_deflated_bytes(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(5000))
    assert sizes(path) == {
        "bytes": 5000,
        "compressed_bytes": len(zlib.compress(bytes(5000), 9)),
    }
    assert sizes(None) == {"bytes": None, "compressed_bytes": None}


def test_the_table_of_objects_shows_both_kinds_of_ap_and_the_common_objects():
    same = {"mean_matched_iou": 1.0, "score_difference": 0.0}
    keras = {**ROW, "mask_ap": 0.5, "box_ap": 0.55, **same}
    int8 = {**keras, "mask_ap": 0.49, "box_ap": 0.54, "drop": 0.01, "agreement": 0.9}
    int8 |= {"mean_matched_iou": 0.95, "score_difference": None}
    parity = {"headline": "mask_ap", "keras": keras, "int8": int8}
    lines = parity_table(parity, (64, 64), None).splitlines()
    for title in ("mask AP", "box AP", "same objects", "matched IoU", "score diff."):
        assert title in lines[0]
    assert lines[2].split() == ["keras,", "64x64", "0.5000", "0.5500", "80.0"]
    assert lines[3].split()[:6] == "int8 0.4900 0.5400 +0.0100 90.0000% 0.9500".split()


def test_the_limit_of_the_gate_depends_on_the_task():
    given = ExportConfig(max_drop=0.0)
    assert max_drop_of(given, "instance") == max_drop_of(given, "semantic") == 0
    default = ExportConfig()
    assert max_drop_of(default, "semantic") == 0.02
    assert max_drop_of(default, "instance") == max_drop_of(default, "detection") == 0.01


def test_the_table_shows_each_result_once():
    int8 = ROW | {
        "mean_iou": 0.6912,
        "drop": 0.0088,
        "agreement": 0.98765,
        "bytes": 2048,
        "compressed_bytes": 1536,
        "latency_millis": 7.26,
        "single_thread_millis": 11.0,
    }
    parity = {"headline": "mean_iou", "keras": ROW, "int8": int8}
    lines = parity_table(parity, (360, 480), 0.71).splitlines()
    assert "ms, 2 threads" in lines[0] and "1 thread" in lines[0]
    assert lines[2].split() == ["keras,", "own", "sizes", "0.7100"]
    assert lines[3].split() == ["keras,", "360x480", "0.7000", "80.0"]
    expected = ["int8", "0.6912", "+0.0088", "98.7650%", "2", "2", "7.3", "11.0"]
    assert lines[4].split() == expected


def test_a_network_that_finds_nothing_is_not_called_equal_without_a_word(caplog):
    found = {
        name: Comparison(ObjectEvaluator(("disc",), masks=False))
        for name in ("keras", "int8")
    }
    warn_without_objects(found)
    assert "there is nothing to compare; train longer" in caplog.text
    caplog.clear()
    found["int8"].total = 1
    warn_without_objects(found)
    assert not caplog.text
