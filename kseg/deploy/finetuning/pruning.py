"""Pruning and clustering of weights, by the TensorFlow Model Optimization toolkit."""

from __future__ import annotations

import numpy as np
import tf_keras

from kseg.deploy.finetuning.toolkit import tfmot

MIN_CLUSTERS = 3  # required by the library, which reserves one for zero
PRUNABLE = (tf_keras.layers.Conv2D, tf_keras.layers.Conv2DTranspose)
CENTROIDS = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS


def sparsities(kernels: dict[str, np.ndarray], share: float) -> dict[str, float]:
    """The fraction of each kernel to prune, so that `share` of all weights are pruned.

    Layer-adaptive magnitude scores (LAMP; Lee et al., 2021): the square of a weight
    divided by the sum of the squares in its kernel that are not smaller. The weights
    with the smallest scores are pruned. The largest weight of a kernel has the score 1,
    so no kernel is pruned completely.

    >>> few, many = np.array([3.0, 4.0]), np.array([0.1, 0.1, 0.1, 0.1, 0.1, 9.0])
    >>> {k: round(v, 2) for k, v in sparsities({"a": few, "b": many}, 0.5).items()}
    {'a': 0.0, 'b': 0.67}
    """
    scores = {}
    for name, kernel in kernels.items():
        squares = np.sort(kernel.astype(np.float64).ravel() ** 2)
        rest = np.cumsum(squares[::-1])[::-1]
        scores[name] = squares / np.maximum(rest, np.finfo(np.float64).tiny)
    every = np.sort(np.concatenate([*scores.values()]))
    limit = every[min(round(share * every.size), every.size - 1)]
    return {name: float((each < limit).mean()) for name, each in scores.items()}
