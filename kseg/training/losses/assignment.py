"""The cheapest assignment of targets to queries, on every backend of Keras.

SciPy solves it on the processor (the Hungarian method; Crouse, 2016), in the middle of
a training step. The backends' own packages are imported lazily.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

NOT_FINITE = 1e6  # cost in place of one that is not a number: the loss reports it


def assign(costs: Any, valid: Any) -> Any:
    """(N, Q, T) costs and (N, T) bool -> (N, Q) int32: the target of each query, or -1.

    Each valid target gets one query, as long as there are enough, so that the sum of
    the costs is least. Gradients do not flow through it.
    """
    return ASSIGN[keras.backend.backend()](costs, valid)


def cheapest(costs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """`assign` of NumPy arrays.

    >>> cheapest(np.float32([[[1, 2], [0, 5], [9, 9]]]), np.array([[True, True]]))
    array([[ 1,  0, -1]], dtype=int32)
    """
    from scipy.optimize import linear_sum_assignment

    costs, valid = np.asarray(costs), np.asarray(valid)
    costs = np.where(np.isfinite(costs), costs, NOT_FINITE)
    found = np.full(costs.shape[:2], -1, np.int32)
    for row, cost, real in zip(found, costs, valid, strict=True):
        targets = np.flatnonzero(real)
        queries, chosen = linear_sum_assignment(cost[:, targets])
        row[queries] = targets[chosen]
    return found


def on_tensorflow(costs: Any, valid: Any) -> Any:
    import tensorflow as tf

    found = tf.numpy_function(cheapest, [costs, valid], tf.int32, stateful=False)
    return tf.ensure_shape(found, costs.shape[:2])


def on_jax(costs: Any, valid: Any) -> Any:
    import jax

    shape = jax.ShapeDtypeStruct(costs.shape[:2], np.int32)
    return jax.pure_callback(cheapest, shape, jax.lax.stop_gradient(costs), valid)


def on_torch(costs: Any, valid: Any) -> Any:
    import torch

    found = cheapest(costs.detach().cpu().numpy(), valid.detach().cpu().numpy())
    return torch.from_numpy(found).to(costs.device)


ASSIGN = {"tensorflow": on_tensorflow, "jax": on_jax, "torch": on_torch}
