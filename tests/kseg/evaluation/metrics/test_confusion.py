import json
from functools import partial

import keras
import numpy as np
import pytest
import sklearn.metrics as sklearn
from keras import ops

from kseg.evaluation.metrics.confusion import confusion_matrix, iou_per_class, summarize
from kseg.evaluation.metrics.keras_metrics import DIGIT, MeanIoU

#                                           void: not counted
MASK = np.array([[0, 0, 0, 0, 1], [1, 1, 2, 255, 255]])
LABELS = np.array([[0, 0, 0, 1, 1], [1, 2, 0, 0, 3]])

# fmt: off
#          predicted 0  1  2  3
MATRIX = np.array([[3, 1, 0, 0],   # true 0: IoU 3 / (4 + 4 - 3) = 3/5
                   [0, 2, 1, 0],   # true 1: IoU 2 / (3 + 3 - 2) = 2/4
                   [1, 0, 0, 0],   # true 2: IoU 0 / (1 + 1 - 0) = 0
                   [0, 0, 0, 0]])  # class 3 is absent: predicted in void only
# fmt: on
NAMES = ("road", "car", "sign", "tree")


def one_hot(labels, num_classes):
    """Makes logits whose argmax are the labels."""
    return np.eye(num_classes, dtype=np.float32)[labels]


def counts_of(metric):
    """The metric's two digits put together."""
    high, low = ops.convert_to_numpy(metric.high), ops.convert_to_numpy(metric.low)
    return high.astype(np.int64) * DIGIT + low


def test_confusion_matrix_has_the_ground_truth_in_rows():
    matrix = confusion_matrix(MASK, LABELS, 4)
    assert matrix.tolist() == MATRIX.tolist()
    assert matrix.dtype == np.int64


@pytest.mark.parametrize("dtype", (np.uint8, np.int32, np.int64))
def test_confusion_matrix_of_any_integers(dtype):
    # 20 * 20 = 400 cells exceed uint8.
    mask = np.array([[0, 19], [19, 255]], dtype)
    matrix = confusion_matrix(mask, np.array([[1, 19], [18, 0]], dtype), 20)
    assert matrix.sum() == 3
    assert matrix[0, 1] == matrix[19, 19] == matrix[19, 18] == 1


def test_another_ignore_index():
    matrix = confusion_matrix(np.array([0, 1, 2]), np.array([0, 1, 1]), 2, 2)
    assert matrix.tolist() == [[1, 0], [0, 1]]


def test_void_is_not_counted():
    void = np.full((2, 3), 255, np.uint8)
    assert confusion_matrix(void, np.zeros_like(void), 2).tolist() == [[0, 0], [0, 0]]


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        confusion_matrix(np.zeros((2, 3), int), np.zeros((3, 2), int), 2)


@pytest.mark.parametrize("mask, predicted", (([3], [0]), ([0], [3]), ([254], [0])))
def test_ids_outside_the_classes_are_refused(mask, predicted):
    largest = max(mask + predicted)
    with pytest.raises(ValueError, match=f"{largest} is outside the 3 classes"):
        confusion_matrix(np.array(mask), np.array(predicted), 3)


@pytest.mark.parametrize("mask, predicted", (([-1], [0]), ([1], [-1])))
def test_negative_ids_are_refused(mask, predicted):
    with pytest.raises(ValueError):
        confusion_matrix(np.array(mask), np.array(predicted), 3)


def test_iou_is_nan_where_a_class_is_absent():
    iou = iou_per_class(MATRIX)
    assert iou.dtype == np.float64
    assert iou[:3].tolist() == [3 / 5, 2 / 4, 0]
    assert np.isnan(iou[3])


def test_summary_of_the_matrix():
    summary = summarize(MATRIX, NAMES, images=2)
    assert summary == {
        "images": 2,
        "pixels": 8,
        "mean_iou": pytest.approx((3 / 5 + 2 / 4 + 0) / 3),
        "pixel_accuracy": pytest.approx(5 / 8),
        "mean_accuracy": pytest.approx((3 / 4 + 2 / 3 + 0) / 3),
        "frequency_weighted_iou": pytest.approx((4 * 3 / 5 + 3 * 2 / 4 + 1 * 0) / 8),
        "per_class_iou": {"road": 3 / 5, "car": 2 / 4, "sign": 0, "tree": None},
    }


def test_summary_has_the_keys_of_the_contract():
    assert list(summarize(MATRIX, NAMES, 2)) == [
        "images",
        "pixels",
        "mean_iou",
        "pixel_accuracy",
        "mean_accuracy",
        "frequency_weighted_iou",
        "per_class_iou",
    ]


def test_summary_is_plain_json():
    text = json.dumps(summarize(MATRIX, NAMES, 2), allow_nan=False)
    assert json.loads(text)["per_class_iou"]["tree"] is None


def test_class_that_is_only_predicted_counts_in_the_iou_but_not_in_the_accuracy():
    # fmt: off
    #          predicted 0  1
    matrix = np.array([[3, 1],   # true 0: IoU 3/4, accuracy 3/4
                       [0, 0]])  # true 1: IoU 0/1, no accuracy
    # fmt: on
    summary = summarize(matrix, ("a", "b"), images=1)
    assert summary["per_class_iou"] == {"a": 3 / 4, "b": 0}
    assert summary["mean_iou"] == (3 / 4 + 0) / 2
    assert summary["mean_accuracy"] == 3 / 4
    assert summary["frequency_weighted_iou"] == 3 / 4


def test_summary_of_no_pixels_is_null():
    summary = summarize(np.zeros((2, 2), np.int64), ("a", "b"), images=1)
    assert summary.pop("per_class_iou") == {"a": None, "b": None}
    assert summary.pop("images") == 1
    assert summary.pop("pixels") == 0
    assert set(summary.values()) == {None}


def test_summary_needs_a_name_for_each_class():
    with pytest.raises(ValueError):
        summarize(MATRIX, NAMES[:3], 2)


def test_metric_of_the_matrix():
    metric = MeanIoU(4)
    metric.update_state(MASK[None], one_hot(LABELS[None], 4))
    assert counts_of(metric).tolist() == MATRIX.tolist()
    assert float(metric.result()) == pytest.approx((3 / 5 + 2 / 4 + 0) / 3, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_metric_equals_numpy_over_several_updates(seed):
    random = np.random.RandomState(seed)
    metric, total = MeanIoU(5), np.zeros((5, 5), np.int64)
    for size in ((2, 9, 7), (1, 4, 4), (3, 8, 5)):
        mask = random.choice([0, 1, 2, 3, 255], size).astype(np.uint8)  # 4 is absent
        logits = random.normal(size=(*size, 5)).astype(np.float32)
        logits[..., 4] -= 100
        metric.update_state(mask, logits)
        total += confusion_matrix(mask, logits.argmax(-1), 5)
        expected = np.nanmean(iou_per_class(total))
        assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    assert counts_of(metric).tolist() == total.tolist()


def test_metric_of_void_only_is_zero():
    metric = MeanIoU(2)
    metric.update_state(np.full((1, 2, 2), 255), one_hot(np.zeros((1, 2, 2), int), 2))
    assert float(metric.result()) == 0


def test_counters_exceed_the_limit_of_float32():
    assert np.float32(DIGIT) + np.float32(1) == np.float32(DIGIT)  # float32's limit
    metric = MeanIoU(2)
    metric.low.assign([[DIGIT - 1, 0], [DIGIT - 1, DIGIT - 2]])
    mask, labels = np.array([[[0, 0, 1, 1]]]), np.array([[[0, 0, 0, 1]]])
    metric.update_state(mask, one_hot(labels, 2))
    assert counts_of(metric).tolist() == [[DIGIT + 1, 0], [DIGIT, DIGIT - 1]]
    metric.update_state(mask, one_hot(labels, 2))
    assert counts_of(metric).tolist() == [[DIGIT + 3, 0], [DIGIT + 1, DIGIT]]
    expected = np.mean([(DIGIT + 3) / (2 * DIGIT + 4), DIGIT / (2 * DIGIT + 1)])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_reset_clears_both_digits():
    metric = MeanIoU(2)
    metric.low.assign([[DIGIT - 1, 0], [0, 0]])
    metric.update_state(np.array([[[0, 1]]]), one_hot(np.array([[[0, 0]]]), 2))
    metric.reset_state()
    assert counts_of(metric).tolist() == [[0, 0], [0, 0]]


def test_sample_weight_is_refused():
    with pytest.raises(ValueError, match="void"):
        MeanIoU(2).update_state([[[0]]], [[[[1.0, 0.0]]]], sample_weight=[1.0])


def test_config_is_restored():
    metric = MeanIoU(3, ignore_index=7, name="miou")
    copy = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert isinstance(copy, MeanIoU)
    assert (copy.num_classes, copy.ignore_index, copy.name) == (3, 7, "miou")


# Against scikit-learn


def random_maps(seed, size=(3, 37, 41)):
    """Masks with void and logits of 6 classes: 4 is absent, 5 is only predicted."""
    random = np.random.RandomState(seed)
    mask = random.choice([0, 1, 2, 3, 255], size, p=(0.5, 0.3, 0.05, 0.05, 0.1))
    logits = random.normal(size=(*size, 6)).astype(np.float32)
    logits += 1.5 * np.eye(6, dtype=np.float32)[np.where(mask == 255, 0, mask)]
    logits[..., 4] = -100
    return mask.astype(np.uint8), logits


@pytest.mark.parametrize("seed", range(3))
def test_counts_and_ratios_equal_scikit_learn(seed):
    mask, logits = random_maps(seed)
    labels = logits.argmax(-1)
    matrix = confusion_matrix(mask, labels, 6)
    true, predicted = mask[mask != 255], labels[mask != 255]
    ids = range(6)
    np.testing.assert_array_equal(
        matrix, sklearn.confusion_matrix(true, predicted, labels=ids)
    )
    present = [0, 1, 2, 3, 5]
    assert np.isnan(iou_per_class(matrix)[4])
    each = sklearn.jaccard_score(true, predicted, labels=present, average=None)
    np.testing.assert_allclose(iou_per_class(matrix)[present], each, rtol=1e-12)
    summary = summarize(matrix, tuple("abcdef"), images=3)
    score = partial(sklearn.jaccard_score, true, predicted, labels=present)
    assert summary["mean_iou"] == pytest.approx(score(average="macro"))
    assert summary["frequency_weighted_iou"] == pytest.approx(score(average="weighted"))
    assert summary["pixel_accuracy"] == sklearn.accuracy_score(true, predicted)
    mean_accuracy = sklearn.recall_score(
        true, predicted, labels=ids[:4], average="macro"
    )
    assert summary["mean_accuracy"] == pytest.approx(mean_accuracy)


@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
def test_the_metric_of_half_precision_equals_scikit_learn(dtype):
    """Rounded logits have many ties; both take the first of equal values."""
    mask, logits = random_maps(3)
    logits = np.round(2 * logits) + 0.0  # Keras ranks -0.0 below 0.0, NumPy does not
    rounded = ops.convert_to_tensor(logits, dtype)
    metric = MeanIoU(6)
    for index in range(len(mask)):
        metric.update_state(mask[index : index + 1], rounded[index : index + 1])
    predicted = logits.argmax(-1)[mask != 255]
    expected = sklearn.confusion_matrix(mask[mask != 255], predicted, labels=range(6))
    assert counts_of(metric).tolist() == expected.tolist()
    present = [0, 1, 2, 3, 5]
    iou = sklearn.jaccard_score(
        mask[mask != 255], predicted, labels=present, average="macro"
    )
    assert float(metric.result()) == pytest.approx(iou, rel=1e-6)


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_the_metric_of_the_largest_half_precision_logits(dtype):
    logits = 6e4 * np.eye(2, dtype=np.float32)[np.array([[[0, 1, 1]]])]
    metric = MeanIoU(2)
    metric.update_state(np.array([[[0, 1, 0]]]), ops.convert_to_tensor(logits, dtype))
    assert counts_of(metric).tolist() == [[1, 1], [0, 1]]
