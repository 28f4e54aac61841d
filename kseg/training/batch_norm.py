"""Batch normalization's statistics of the saved network, estimated anew.

In training they are moving averages over steps whose weights and random crops differ
from those of the saved network, most of all with --ema. Here they are those of the
saved weights on whole training images: "precise batch norm", Wu and Johnson,
"Rethinking 'Batch' in BatchNorm" (arXiv 2105.07576), section 3. The training's own
statistics do not change.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
from keras import layers, ops

from edge.core.errors import InputError
from kseg.core.configs import TrainConfig
from kseg.core.process_group import ProcessGroup
from kseg.training.checkpoint import NotFinite
from kseg.training.finite import all_finite


class BatchStatistics(layers.BatchNormalization):
    """Batch normalization by the moments of the batch, in every mode.

    So the network is called as for prediction: dropout, which would change the
    variance, is off. One that is not trained keeps its statistics.
    """

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        if not self.trainable:
            return super().call(x, training=False)
        mean, variance = ops.moments(x, over(x))
        return ops.batch_normalization(
            x=x,
            mean=mean,
            variance=variance,
            axis=-1,
            offset=self.beta if self.center else None,
            scale=self.gamma if self.scale else None,
            epsilon=self.epsilon,
        )


def over(x: Any) -> tuple[int, ...]:
    """The axes of a batch that are not channels."""
    return tuple(range(len(x.shape) - 1))


def with_statistics(network: keras.Model) -> keras.Model:
    """A copy of a float32 network that returns the moments of its batch norms' inputs.

    Its outputs are (2, C), mean and variance of the batch, by the name of each
    BatchNormalization that is trained. Such a layer is called once in kseg's networks.
    """

    def clone(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if isinstance(layer, layers.BatchNormalization):
            return BatchStatistics.from_config(config)
        return layer.__class__.from_config(config)

    copy = keras.models.clone_model(network, clone_function=clone)
    moments = {
        layer.name: ops.stack(ops.moments(layer.input, over(layer.input)))
        for layer in copy.layers
        if isinstance(layer, BatchStatistics) and layer.trainable
    }
    if not moments:
        raise InputError(
            "--refresh-batch-norm: the network has no batch normalization that is "
            "trained; leave it out"
        )
    return keras.Model(copy.input, moments)


def compiled(model: keras.Model) -> Callable[[Any], dict[str, np.ndarray]]:
    """A network of `with_statistics` as a function of a batch of NumPy arrays."""
    call: Callable[[Any], Any] = model
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        call = tf.function(lambda x: model(x, training=False), reduce_retracing=True)

    def run(batch: Any) -> dict[str, np.ndarray]:
        found = call(keras.tree.map_structure(ops.convert_to_tensor, batch))
        return {name: ops.convert_to_numpy(pair) for name, pair in found.items()}

    return run


def combined(parts: Sequence[np.ndarray], counts: Sequence[int]) -> np.ndarray:
    """Mean and variance (divisor n) of all values, from those of each batch.

    Batches of (2, ...), in proportion to `counts` -> (2, ...) float64. The variance is
    the mean of the variances plus the variance of the means.

    Of 1, 3 and of 5, 7, 9:

    >>> combined([np.array([2, 1]), np.array([7, 8 / 3])], [2, 3]).round(6).tolist()
    [5.0, 8.0]
    """
    share = np.array(counts, np.float64) / np.sum(counts)
    means, variances = np.stack(parts, axis=1).astype(np.float64)
    mean = np.tensordot(share, means, 1)
    return np.stack([mean, np.tensordot(share, variances + (means - mean) ** 2, 1)])


def refresher(
    network: keras.Model, batches: Callable[[], Iterable[Any]]
) -> Callable[[], None]:
    """A function that estimates the statistics of `network` with its current weights.

    `batches` gives the inputs, the same in each call. Raises InputError for a network
    without batch normalization that is trained. The function raises NotFinite for
    statistics that are nan or infinite.
    """
    copy = with_statistics(network)
    run = compiled(copy)

    def refresh() -> None:
        copy_weights(network, copy)
        found: list[dict[str, np.ndarray]] = []
        counts: list[int] = []
        for batch in batches():
            found.append(run(batch))
            counts.append(len(keras.tree.flatten(batch)[0]))
        for name in found[0]:
            parts = [each[name] for each in found]
            if not all_finite(parts):
                raise NotFinite(f"the batch normalization {name} is not finite")
            statistics = combined(parts, counts)
            layer = network.get_layer(name)
            layer.moving_mean.assign(statistics[0].astype(np.float32))
            layer.moving_variance.assign(statistics[1].astype(np.float32))

    return refresh


def copy_weights(network: keras.Model, copy: keras.Model) -> None:
    """Copies the weights of the layers that both have; a copy may lack the last."""
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(network.get_layer(layer.name).get_weights())


def refresher_of(
    config: TrainConfig, network: keras.Model, loader: Any, group: ProcessGroup
) -> Callable[[], None]:
    """What a run does to the saved network before each validation: see `refresher`.

    Raises InputError if the network or several processes do not support it.
    """
    if not config.refresh_batch_norm:
        return lambda: None
    if group.processes > 1:
        raise InputError(
            "--refresh-batch-norm: not supported with several processes; leave it out"
        )

    def batches() -> Iterator[Any]:
        from kseg.data.loading.plain_batches import plain_batches

        return plain_batches(loader, config.refresh_batch_norm)

    return refresher(network, batches)
