"""Linear classifiers and regressions in closed steps, in NumPy.

Chapelle, "Training a Support Vector Machine in the Primal" (Neural Computation 2007).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NORM = 20.0  # R-CNN scales features to this mean length
COST, POSITIVE_COST = 0.001, 2.0  # of a violated margin; factor of positive examples
CONSTANT = 10.0  # the feature of the bias, so that its weight is hardly penalized
PENALTY = 1000.0  # of the squared weights of a regression
STEPS = 30  # of Newton's method; about ten are enough


class Linear(NamedTuple):
    """x @ kernel (D, K) + bias (K,)."""

    kernel: np.ndarray
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x @ self.kernel + self.bias


def hinge_classifiers(features: np.ndarray, labels: np.ndarray) -> Linear:
    """One-vs-rest classifiers: features (N, D), labels (N, K) -> margins (N, K).

    A label is 1 for an example of a class, -1 for another, 0 for one that does not
    count. The loss is half of the squared weights plus COST times the sum of the
    squared hinges, with features scaled to NORM. A class without examples of both
    kinds has the margin -1 everywhere.
    """
    scale = NORM / max(mean_length(features), 1e-12)
    x = np.column_stack([features * scale, np.full(len(features), CONSTANT)])
    found = [classifier(x[y != 0], y[y != 0]) for y in labels.T]
    weights = np.stack(found, axis=1)
    return Linear(weights[:-1] * scale, weights[-1] * CONSTANT)


def mean_length(features: np.ndarray) -> float:
    """The mean Euclidean length of rows (N, D); 0 without any."""
    return float(np.linalg.norm(features, axis=1).mean()) if len(features) else 0.0


def classifier(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The weights (D,) of one classifier of rows (N, D) with labels 1 and -1."""
    weights = np.zeros(x.shape[1])
    if len(np.unique(y)) < 2:
        weights[-1] = -1 / CONSTANT
        return weights
    x = x.astype(np.float64)
    costs = 2 * COST * np.where(y > 0, POSITIVE_COST, 1.0)
    violated = np.ones(len(y), bool)
    for _ in range(STEPS):
        part, weighted = x[violated], x[violated] * costs[violated, None]
        system = np.eye(x.shape[1]) + part.T @ weighted
        weights = np.linalg.solve(system, weighted.T @ y[violated].astype(np.float64))
        still = y * (x @ weights) < 1
        if (still == violated).all():
            break
        violated = still
    return weights


def ridge(features: np.ndarray, values: np.ndarray) -> Linear:
    """The regression (N, D) -> (N, K) with PENALTY times the squared weights.

    Features are scaled to NORM and centred, so that the bias has no penalty. Zeros
    without any row.
    """
    if not len(features):
        return Linear(
            np.zeros((features.shape[1], values.shape[1])), np.zeros(values.shape[1])
        )
    scale = NORM / max(mean_length(features), 1e-12)
    x = features.astype(np.float64) * scale
    middle, mean = x.mean(axis=0), values.mean(axis=0)
    x, y = x - middle, values - mean
    if len(x) < x.shape[1]:  # the smaller of two equal systems
        system = x @ x.T + PENALTY * np.eye(len(x))
        kernel = x.T @ np.linalg.solve(system, y)
    else:
        system = x.T @ x + PENALTY * np.eye(x.shape[1])
        kernel = np.linalg.solve(system, x.T @ y)
    return Linear(kernel * scale, mean - middle @ kernel)
