"""Losses under a tf.distribute strategy, imported lazily."""

from __future__ import annotations

from typing import Any


def sum_over_replicas(x: Any) -> Any:
    """The sum over the replicas of a `tf.distribute` strategy; without one, `x`."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x)


def replica_share(loss: Any) -> Any:
    """A loss of the whole batch as each replica's part, for Keras adds up gradients.

    Keras scales its own losses so where it takes means of them; not those of another
    class. Without a strategy it is `loss`.
    """
    import tensorflow as tf

    return loss / tf.distribute.get_strategy().num_replicas_in_sync
