"""Sums over the replicas of a tf.distribute strategy. TensorFlow is imported lazily."""

from __future__ import annotations

from typing import Any

import keras


def sum_over_replicas(x: Any) -> Any:
    """Sums `x` over the replicas of a `tf.distribute` strategy; without one, `x`."""
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x)


def replica_share(loss: Any) -> Any:
    """Divides the loss of the whole batch by the number of replicas.

    Keras adds up the gradients of all replicas. It divides the losses of its own
    classes itself, but not those of other classes. Without a strategy returns `loss`.
    """
    import tensorflow as tf

    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def one_replica() -> bool:
    """Whether the code runs outside any `tf.distribute` strategy; for TensorFlow."""
    import tensorflow as tf

    return not tf.distribute.has_strategy()
