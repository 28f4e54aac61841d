"""Linear classifiers and regressions."""

import numpy as np
import pytest

from kseg.training.detection import linear
from kseg.training.detection.linear import hinge_classifiers, ridge


def objective(model, features, labels, k):
    """The value that the classifier of class k minimizes, without scaling again."""
    scale = linear.NORM / np.linalg.norm(features, axis=1).mean()
    kernel, bias = model.kernel[:, k] / scale, model.bias[k] / linear.CONSTANT
    margins = features @ model.kernel[:, k] + model.bias[k]
    used = labels[:, k] != 0
    hinge = np.maximum(0, 1 - labels[used, k] * margins[used]) ** 2
    cost = linear.COST * np.where(labels[used, k] > 0, linear.POSITIVE_COST, 1)
    return 0.5 * (kernel @ kernel + bias**2) + (cost * hinge).sum()


def groups():
    random = np.random.default_rng(0)
    centers = np.float64([[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    features = np.concatenate([random.normal(c, 0.7, (60, 3)) for c in centers])
    owner = np.repeat([0, 1, 2], 60)
    return features, np.where(owner[:, None] == [0, 1], 1, -1)


def test_classes_are_separated():
    features, labels = groups()
    margins = hinge_classifiers(features, labels)(features)
    assert (np.sign(margins) == labels).mean() > 0.97


def test_no_other_weights_have_a_lower_cost():
    features, labels = groups()
    labels[::7, 0] = 0  # these do not count for the first class
    model = hinge_classifiers(features, labels)
    best = objective(model, features, labels, 0)
    random = np.random.default_rng(1)
    for _ in range(20):
        kernel = model.kernel + random.normal(0, 1e-2, model.kernel.shape)
        bias = model.bias + random.normal(0, 1e-2, 2)
        other = linear.Linear(kernel, bias)
        assert objective(other, features, labels, 0) > best


def test_a_class_without_examples_is_never_found():
    features, labels = groups()
    labels[:, 1] = -1
    margins = hinge_classifiers(features, labels)(features)
    assert margins[:, 1] == pytest.approx(-1)


@pytest.mark.parametrize("count", (40, 4), ids=("many rows", "few rows"))
def test_a_regression_solves_its_equations(count):
    """The gradient of the squared error plus PENALTY |w|^2 is zero."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(count, 8)), random.normal(size=(count, 2))
    model = ridge(x, y)
    scale = linear.NORM / np.linalg.norm(x, axis=1).mean()
    centered = (x - x.mean(0)) * scale
    error = model(x) - y
    gradient = centered.T @ error + linear.PENALTY * model.kernel / scale
    assert np.abs(gradient).max() < 1e-8
    assert np.abs(error.sum(0)).max() < 1e-8


def test_a_class_without_boxes_is_not_moved():
    model = ridge(np.zeros((0, 3)), np.zeros((0, 4)))
    assert not model(np.ones((2, 3))).any()
