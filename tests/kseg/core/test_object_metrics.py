"""Tables of the metrics of objects, by hand."""

from kseg.core.object_metrics import class_table, notes, summary_table

METRICS = {
    "images": 3,
    "objects": 1200,
    "mask_ap": 0.25,
    "mask_ap50": 0.5,
    "mask_ap_large": None,
    "mask_ar100": 0.75,
    "box_ap": 0.125,
    "box_ap50": 0.5,
    "box_ap_large": None,
    "box_ar100": 1.0,
    "per_class": {
        "dog": {
            "ap": 0.5,
            "ap50": 1.0,
            "objects": 1200,
            "best_score": 0.456,
            "best_f1": 0.875,
        },
        "cat": {
            "ap": None,
            "ap50": None,
            "objects": 0,
            "best_score": None,
            "best_f1": None,
        },
    },
    "pq": 0.625,
    "accuracy50": None,
    "count_error": 1.5,
    "errors": {"wrong_class": 2, "missed": 0},
    "counted_score": 0.3,
    "max_detections": 100,
}


def test_a_row_for_each_class():
    header, rows = class_table(METRICS)
    assert header == ("class", "AP", "AP50", "objects", "score of best F1", "best F1")
    assert rows == [
        ("dog", "0.5000", "1.0000", "1,200", "0.46", "0.8750"),
        ("cat", "-", "-", "0", "-", "-"),
    ]


def test_masks_beside_boxes():
    header, rows = summary_table(METRICS)
    assert header == ("all classes", "masks", "boxes")
    assert rows == [
        ("AP", "0.2500", "0.1250"),
        ("AP50", "0.5000", "0.5000"),
        ("AP of large objects", "-", "-"),
        ("AR100", "0.7500", "1.0000"),
        ("panoptic quality (PQ)", "0.6250", ""),
        ("accuracy at IoU 0.5", "-", ""),
        ("count error per image", "1.50", ""),
    ]


def test_boxes_alone():
    boxes = {key: value for key, value in METRICS.items() if key[:4] != "mask"}
    header, rows = summary_table(boxes)
    assert header == ("all classes", "boxes")
    assert rows[0] == ("AP", "0.1250")


def test_what_was_measured_in_words():
    first, errors, counted = notes(METRICS)
    assert first == "3 images with 1,200 objects"
    assert errors == "errors: wrong class 2, missed 0"
    assert "panoptic quality (PQ), accuracy" in counted and "0.3 or more" in counted
    assert "172 results" in notes({**METRICS, "max_detections": 172})[-1]
