"""Fine-tuning for small devices, by tensorflow-model-optimization.

Quantization-aware training (Jacob et al., 2018), pruning by magnitude (Zhu and Gupta,
2017), weight clustering (Han, Mao and Dally, "Deep Compression", 2016), and those
combinations of them that the library supports. Training continues with the data and the
loss of the run.

Batch norms are folded and ReLUs are fused first (`rebuild`), so the weights that are
trained, pruned or clustered are those of the file, also in transposed convolutions, and
the batch norm statistics do not change. Pruned and clustered weights are copied to the
Keras 3 network, which is converted as usual. A quantization-aware network is converted
with the ranges used in its training. They are measured on the calibration images, as in
post-training quantization. The input and output of a pooling, an upsampling or a
concatenation share a range, because these operators cannot rescale in int8.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable

import numpy as np
import tensorflow as tf
import tf_keras

from edge.core.errors import InputError
from edge.model_file.info import ModelInfo
from edge.predict.base import Predictor
from edge.predict.open import predictor_of
from kseg.core.configs import ExportConfig
from kseg.core.progress import bar, time_left
from kseg.core.runs import recorded_config
from kseg.data.loading import BATCHES
from kseg.data.sample import Dataset
from kseg.deploy.conversion.tflite import Calibration
from kseg.deploy.finetuning.fake_quant import (
    convert_quantized,
    quantize_layers,
    shared_ranges,
    weight_quantizers,
)
from kseg.deploy.finetuning.pruning import (
    CENTROIDS,
    MIN_CLUSTERS,
    PRUNABLE,
    sparsities,
)
from kseg.deploy.finetuning.step import training_step
from kseg.deploy.finetuning.tf_keras_model import rebuild
from kseg.deploy.finetuning.toolkit import clone_with, clustering, tfmot
from kseg.deploy.heads import Head, heads_of, info_with_head
from kseg.deploy.int8.corrected_conversion import converter_for
from kseg.deploy.parity import metric_name, value_of_file
from kseg.evaluation import EVALUATORS
from kseg.models import geometry
from kseg.models.keras_engine import KerasEngine
from kseg.models.layers.norm import as_float32
from kseg.training.setup import METRICS, new_loss

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """The steps of fine-tuning, in order, and how the network is converted."""

    steps: tuple[str, ...] = ()  # of STEPS
    file: str = "int8"  # "qat", or a scheme of conversion.tflite


RECIPES = {
    "qat": Recipe(file="qat"),
    "pruned": Recipe(("pruned",), "float32"),
    "pruned-int8": Recipe(("pruned",)),
    "pruned-qat": Recipe(("pruned",), "qat"),
    "clustered": Recipe(("clustered",), "float32"),
    "clustered-int8": Recipe(("clustered",)),
    "clustered-qat": Recipe(("clustered",), "qat"),
    "pruned-clustered-int8": Recipe(("pruned", "clustered")),
    "pruned-clustered-qat": Recipe(("pruned", "clustered"), "qat"),
}


class FineTuner:
    """Makes the files of FINETUNED_SCHEMES for one run, whose network is not changed.

    `record` is the run's config.json. A network that several schemes need, such as the
    pruned one, is made once. Raises InputError before training if a layer of the
    network cannot be rebuilt.
    """

    def __init__(
        self, model: Any, data: Dataset, record: dict[str, Any], options: ExportConfig
    ):
        check_options(options)
        self.data, self.options = data, options
        config = recorded_config(record)
        self.loss = new_loss(config, data, record.get("class_weights"))
        self.config = replace(config, seed=options.seed)
        self.shape = geometry(model)
        self.feed = BATCHES[data.task](self.config, data, self.config.size, self.shape)
        self.steps = config.steps_of_epoch(len(data.split("train").sizes))
        self.networks = {(): as_float32(model)}
        rebuild(model, self.config.size)

    def convert(
        self, scheme: str, size: tuple[int, int], head: str, calibration: Calibration
    ) -> bytes:
        """The .tflite file of a scheme; see `conversion.tflite.convert`."""
        recipe = RECIPES[scheme]
        network = self.network(recipe.steps)
        if recipe.file != "qat":
            convert = converter_for(self.options.bias_correction)
            return convert(network, recipe.file, size, self.head(head), calibration)
        return self.quantized(network, recipe.steps, size, head, calibration)

    def network(self, steps: tuple[str, ...]) -> Any:
        """The Keras 3 network after these steps."""
        if steps not in self.networks:
            network = as_float32(self.network(steps[:-1]))
            STEPS[steps[-1]](self, network, steps[:-1])
            self.networks[steps] = network
        return self.networks[steps]

    def prune(self, network: Any, before: tuple[str, ...]) -> None:
        """Prunes weights to zero; their share grows over two thirds of the steps."""
        source = rebuild(network, self.config.size)
        total = self.steps * self.options.fine_tune_epochs
        end = max(1, total * 2 // 3)
        kernels = {
            layer.name: layer.kernel.numpy()
            for layer in source.model.layers
            if type(layer) in PRUNABLE and layer.trainable
        }
        shares = sparsities(kernels, self.options.sparsity)

        def wrap(layer: Any) -> Any:
            if not shares.get(layer.name):
                return layer
            schedule = tfmot.sparsity.keras.PolynomialDecay(
                0.0, shares[layer.name], 0, end, frequency=max(1, end // 20)
            )
            return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)

        model = clone_with(source, wrap)
        callback = tfmot.sparsity.keras.UpdatePruningStep()
        callback.set_model(model)
        callback.on_train_begin()
        self.train(model, "pruning", PRUNING_RATE, callback.on_epoch_end)
        source.write_back()

    def cluster(self, network: Any, before: tuple[str, ...]) -> None:
        """Clusters the weights of each kernel; keeps the zeros of a pruned one."""
        source = rebuild(network, self.config.size)
        options = {
            "number_of_clusters": self.options.clusters,
            "cluster_centroids_init": CENTROIDS,
            "preserve_sparsity": "pruned" in before,
        }

        def wrap(layer: Any) -> Any:
            if type(layer) not in PRUNABLE or not layer.trainable:
                return layer
            kernel = layer.kernel.numpy()
            if min((kernel > 0).sum(), (kernel < 0).sum()) < self.options.clusters:
                layer.trainable = False  # has few values already
                return layer
            return clustering.cluster_weights(layer, **options)

        model = clone_with(source, wrap)
        self.train(model, "clustering", CLUSTERING_RATE)
        stripped = tfmot.clustering.keras.strip_clustering(model)
        names = source.convolutions
        source.write_back({x: stripped.get_layer(x).get_weights() for x in names})

    def reference(self, network: Any, size: tuple[int, int], head: str) -> Predictor:
        """The network in Keras with a head, whose outputs name those of a file."""
        engine = KerasEngine(network, size, self.head(head))
        return predictor_of(engine, info_with_head(self.info, head))

    @property
    def info(self) -> ModelInfo:
        """The metadata of the files, but for their head."""
        return replace(
            self.data.info,
            max_side=self.config.max_side,
            geometry=self.shape,
            decoder=METRICS[self.data.task](self.config, self.data).decoder(),
        )

    def head(self, name: str) -> Head:
        """The function from the network's outputs to those of the files."""
        return heads_of(self.info)[name]

    def quantized(
        self,
        network: Any,
        before: tuple[str, ...],
        size: tuple[int, int],
        head: str,
        calibration: Calibration,
    ) -> bytes:
        """Trains with fake quantization; returns the file of the best epoch.

        The file is evaluated on the validation images before the first epoch and after
        each; the best is kept.
        """
        network = as_float32(network)
        ranges = shared_ranges(rebuild(network, size).model, calibration())
        source = rebuild(network, self.config.size)
        zeros = {x: w[0] == 0 for x, w in source.weights().items()}
        quantizers = weight_quantizers(before, source, zeros)
        model = clone_with(source, quantize_layers(ranges, quantizers))
        head_function = self.head(head)
        reference = self.reference(network, size, head)
        best = (-1.0, b"")
        new = partial(EVALUATORS[reference.info.task], self.data, fast=True)
        headline = metric_name(new().headline)

        def save_if_best(epoch: int) -> None:
            nonlocal best
            weights = source.weights()
            if "pruned" in before:
                for name, (kernel, *_) in weights.items():
                    kernel[zeros[name]] = 0
            source.write_back(weights)
            content = convert_quantized(
                rebuild(network, size), ranges, size, head_function
            )
            value = value_of_file(content, reference, self.data.split("val"), new)
            log.info(f"qat: {headline} {value:.4f} on val after {epoch} epochs")
            best = max(best, (value, content), key=lambda pair: pair[0])

        save_if_best(0)
        self.train(model, "qat", QAT_RATE, lambda epoch: save_if_best(epoch + 1))
        return best[1]

    def train(
        self,
        model: Any,
        text: str,
        rate: float,
        after_epoch: Callable[[int], None] = lambda epoch: None,
    ) -> None:
        """Trains on the batches of the run; the learning rate decays to 0.

        Its peak, `rate` or --fine-tune-rate, is reached after a tenth of the steps:
        Adam's first steps are large even for small gradients.
        """
        tf_keras.utils.set_random_seed(self.options.seed)
        epochs = self.options.fine_tune_epochs
        total = self.steps * epochs
        schedule = tf_keras.optimizers.schedules.CosineDecay(
            0.0,
            decay_steps=total - total // 10,
            warmup_target=self.options.fine_tune_rate or rate,
            warmup_steps=total // 10,
        )
        step = training_step(model, self.loss, tf_keras.optimizers.Adam(schedule))
        batches = iter(self.feed.training())
        start = time.monotonic()
        with bar(total=total, text=text, unit="step", delay=0) as shown:
            for epoch in range(epochs):
                losses = []
                for _ in range(self.steps):
                    losses.append(step(*self.next_of(batches)))
                    shown.update()
                left = time_left(time.monotonic() - start, epoch + 1, epochs)
                log.info(
                    f"{text}: epoch {epoch + 1} of {epochs}  loss "
                    f"{np.mean(losses):.4f}{left}"
                )
                after_epoch(epoch)

    def next_of(self, batches: Any) -> tuple[Any, ...]:
        """The next batch. Raises the InputError of a reader if one failed."""
        try:
            return next(batches)
        except tf.errors.OpError:
            for reader in self.feed.readers.values():
                if reader.failure:
                    raise reader.failure from None
            raise


def check_options(options: ExportConfig) -> None:
    """Raises InputError for values out of range."""
    if not 0 < options.sparsity < 1:
        raise InputError(f"--sparsity {options.sparsity}: must be between 0 and 1")
    if options.clusters < MIN_CLUSTERS:
        raise InputError(
            f"--clusters {options.clusters}: must be at least {MIN_CLUSTERS}"
        )


PRUNING_RATE, CLUSTERING_RATE, QAT_RATE = 1e-4, 1e-4, 1e-5
STEPS = {"pruned": FineTuner.prune, "clustered": FineTuner.cluster}
