"""Fine-tuning for small devices, by tensorflow-model-optimization.

Quantization-aware training (Jacob et al., 2018), pruning by magnitude (Zhu and Gupta,
2017), weight clustering (Han, Mao and Dally, "Deep Compression", 2016), and what the
library can combine of them. The network is trained on with the run's own data and loss.

Its batch norms are folded and its ReLUs fused before (`rebuild`), so what is trained,
pruned or clustered are the weights that the file will have, for transposed convolutions
too, and the statistics of the batch norms stay those that it was trained to. Pruned and
clustered weights go back into the Keras 3 network, which is converted as any other. A
quantization-aware network is converted with the ranges that it was trained with. They
are those that the calibration images show, as in post-training quantization; tensors
that a pooling, an enlargement or a concatenation hands on share one, for in int8 these
operations cannot change it.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import Any, Callable, Iterable, Optional

import numpy as np
import tensorflow as tf
import tf_keras

from edge.core.errors import InputError
from edge.core.log import say
from kseg.config import ExportConfig, TrainConfig, from_record
from kseg.data import Data
from kseg.data.pipeline import Feed
from kseg.models import geometry
from kseg.models.layers import as_float32
from kseg.parity import mean_iou_of_file
from kseg.progress import bar
from kseg.quantize import post_training
from kseg.quantize.head import with_head
from kseg.quantize.post_training import Calibration
from kseg.quantize.rebuild import PICTURE, Rebuilt, rebuild
from kseg.train import new_loss

LEGACY = "TF_USE_LEGACY_KERAS"


def library() -> Any:
    """tensorflow-model-optimization, its trace in the environment removed.

    It asks TensorFlow for tf_keras as tf.keras, in this process and its children. Keras
    3 is untouched by that, and kseg never uses tf.keras. Raises InputError without it.
    """
    before = os.environ.get(LEGACY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import tensorflow_model_optimization as tfmot
        except ImportError as error:
            raise InputError(
                f"pruning, clustering and qat need a package ({error}); "
                "pip install tensorflow-model-optimization"
            ) from None
    if before is None:
        os.environ.pop(LEGACY, None)
    return tfmot


tfmot = library()
quantization = tfmot.quantization.keras
# The guide names it by this path; it is not among the public names.
clustering = import_module(
    "tensorflow_model_optimization.python.core.clustering.keras.experimental.cluster"
)


@dataclass(frozen=True)
class Recipe:
    """What is done to a network, one after the other, and how it becomes a file."""

    steps: tuple[str, ...] = ()  # of STEPS
    file: str = "int8"  # "qat", or a scheme of post_training


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
    """Makes the files of AWARE_SCHEMES of one run. Its network is left as it is.

    `record` is the run's config.json. A network that several schemes need, the pruned
    one say, is made once. Raises InputError for a network with a layer that cannot be
    rebuilt, before anything is trained.
    """

    def __init__(
        self, model: Any, data: Data, record: dict[str, Any], options: ExportConfig
    ):
        check_options(options)
        self.data, self.options = data, options
        config = from_record(TrainConfig, record["config"])
        self.loss = new_loss(config, data, record.get("class_weights"))
        self.config = replace(config, seed=options.seed)
        self.shape = geometry(model)
        self.feed = Feed(self.config, data, self.config.size, self.shape)
        self.steps = max(
            1, len(data.split("train").sizes) // self.config.images_per_step
        )
        self.networks = {(): as_float32(model)}
        rebuild(model, self.config.size)

    def convert(
        self, scheme: str, size: tuple[int, int], head: str, calibration: Calibration
    ) -> bytes:
        """The .tflite file of a scheme, as `post_training.convert` gives others'."""
        recipe = RECIPES[scheme]
        network = self.network(recipe.steps)
        if recipe.file != "qat":
            return post_training.convert(network, recipe.file, size, head, calibration)
        return self.quantized(network, recipe.steps, size, head, calibration)

    def network(self, steps: tuple[str, ...]) -> Any:
        """The Keras 3 network after these steps."""
        if steps not in self.networks:
            network = as_float32(self.network(steps[:-1]))
            STEPS[steps[-1]](self, network, steps[:-1])
            self.networks[steps] = network
        return self.networks[steps]

    def prune(self, network: Any, before: tuple[str, ...]) -> None:
        """Makes a share of all weights zero, growing over two thirds of the steps."""
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

        model = wrapped(source, wrap)
        callback = tfmot.sparsity.keras.UpdatePruningStep()
        callback.set_model(model)
        callback.on_train_begin()
        self.train(model, "pruning", PRUNING_RATE, callback.on_epoch_end)
        source.write_back()

    def cluster(self, network: Any, before: tuple[str, ...]) -> None:
        """Makes each kernel one of few values; zeros of a pruned one stay."""
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
                layer.trainable = False  # few values as it is: it keeps them
                return layer
            return clustering.cluster_weights(layer, **options)

        model = wrapped(source, wrap)
        self.train(model, "clustering", CLUSTERING_RATE)
        stripped = tfmot.clustering.keras.strip_clustering(model)
        names = source.convolutions
        source.write_back({x: stripped.get_layer(x).get_weights() for x in names})

    def quantized(
        self,
        network: Any,
        before: tuple[str, ...],
        size: tuple[int, int],
        head: str,
        calibration: Calibration,
    ) -> bytes:
        """Trains with fake quantization; the file of the best epoch.

        The best on the validation images, the file itself run on them, is kept; that
        from before the first epoch is among them.
        """
        network = as_float32(network)
        ranges = shared_ranges(rebuild(network, size).model, calibration())
        source = rebuild(network, self.config.size)
        zeros = {x: w[0] == 0 for x, w in source.weights().items()}
        quantizers = weight_quantizers(before, source, zeros)
        model = wrapped(source, quantizing(ranges, quantizers))
        info = replace(
            self.data.info,
            max_side=self.config.max_side,
            head=head,
            **asdict(self.shape),
        )
        best = (-1.0, b"")

        def keep(epoch: int) -> None:
            nonlocal best
            weights = source.weights()
            if "pruned" in before:
                for name, (kernel, *_) in weights.items():
                    kernel[zeros[name]] = 0
            source.write_back(weights)
            content = quantized_file(rebuild(network, size), ranges, size, head)
            value = mean_iou_of_file(content, info, self.data)
            say(f"after {epoch} epochs of qat: mean IoU {value:.4f} on val")
            best = max(best, (value, content), key=lambda pair: pair[0])

        keep(0)
        self.train(model, "qat", QAT_RATE, lambda epoch: keep(epoch + 1))
        return best[1]

    def train(
        self,
        model: Any,
        text: str,
        rate: float,
        after_epoch: Callable[[int], None] = lambda epoch: None,
    ) -> None:
        """Some epochs over the run's own batches, the learning rate falling to 0.

        Its peak, after a tenth of the steps, is `rate` unless the options say another:
        Adam's first steps are as large as any, whatever their gradients.
        """
        tf_keras.utils.set_random_seed(self.options.seed)
        epochs = self.options.fine_tune_epochs
        total = self.steps * epochs
        course = tf_keras.optimizers.schedules.CosineDecay(
            0.0,
            decay_steps=total - total // 10,
            warmup_target=self.options.fine_tune_rate or rate,
            warmup_steps=total // 10,
        )
        step = training_step(model, self.loss, tf_keras.optimizers.Adam(course))
        batches = iter(self.feed.training())
        with bar(total=total, text=text, unit="step", delay=0) as shown:
            for epoch in range(epochs):
                losses = []
                for _ in range(self.steps):
                    losses.append(step(*self.next_of(batches)))
                    shown.update()
                say(f"{text}: epoch {epoch + 1}  loss {np.mean(losses):.4f}")
                after_epoch(epoch)

    def next_of(self, batches: Any) -> tuple[Any, ...]:
        """A batch. What a reader refuses comes out as its own InputError."""
        try:
            return next(batches)
        except tf.errors.OpError:
            for reader in self.feed.readers.values():
                if reader.failure:
                    raise reader.failure from None
            raise


def check_options(options: ExportConfig) -> None:
    """Raises InputError for what cannot be."""
    if not 0 < options.sparsity < 1:
        raise InputError(f"--sparsity {options.sparsity}: is a share between 0 and 1")
    if options.clusters < LEAST_CLUSTERS:
        raise InputError(
            f"--clusters {options.clusters}: has to be {LEAST_CLUSTERS} up"
        )


LEAST_CLUSTERS = 3  # of the library, which gives zero one of its own
PRUNING_RATE, CLUSTERING_RATE, QAT_RATE = 1e-4, 1e-4, 1e-5
STEPS = {"pruned": FineTuner.prune, "clustered": FineTuner.cluster}
PRUNABLE = (tf_keras.layers.Conv2D, tf_keras.layers.Conv2DTranspose)
CENTROIDS = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS


def sparsities(kernels: dict[str, np.ndarray], share: float) -> dict[str, float]:
    """Which share of each kernel goes, for `share` of all weights, by what it costs.

    By layer-adaptive magnitudes (LAMP; Lee et al., 2021): a weight's square over the
    sum of those in its kernel that are no smaller. The smallest of all go. What is
    largest in its kernel has 1, so no kernel goes altogether.

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


def training_step(model: Any, loss: Any, optimizer: Any) -> Callable[..., Any]:
    """A function of a batch, as `Feed.training` has them, -> the loss before it."""

    @tf.function
    def step(image: Any, mask: Any, weight: Optional[Any] = None) -> Any:
        with tf.GradientTape() as tape:
            value = loss(mask, model(image, training=True), weight)
        variables = model.trainable_variables
        pairs = zip(tape.gradient(value, variables), variables, strict=True)
        # A clustered kernel is made of others and has no gradient of its own.
        optimizer.apply_gradients((g, v) for g, v in pairs if g is not None)
        return value

    return step


def wrapped(source: Rebuilt, wrap: Callable[[Any], Any]) -> Any:
    """The network of the same layers, each as `wrap` gives it back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras interfaces that will end
        return tf_keras.models.clone_model(source.model, clone_function=wrap)


# --- ranges ---

HANDS_ON = (
    "Concatenate",
    "Cropping2D",
    "MaxPooling2D",
    "UpSampling2D",
    "ZeroPadding2D",
)


def shared_ranges(
    model: Any, images: Iterable[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """(least, largest) by name of each layer whose output is to be quantized.

    Seen over uint8 images (H, W, C), and over all tensors that share a range.
    """
    layers = [x for x in model.layers if type(x).__name__ != "InputLayer"]
    watched = tf_keras.Model(model.input, [layer.output for layer in layers])

    @tf.function
    def extremes(image: Any) -> Any:
        outputs = tf.nest.flatten(watched(image, training=False))
        pairs = [(tf.reduce_min(x), tf.reduce_max(x)) for x in outputs]
        return tf.stack([tf.stack(pair) for pair in pairs])

    seen = [extremes(image[None].astype(np.float32)).numpy() for image in images]
    low, high = np.min(seen, axis=0)[:, 0], np.max(seen, axis=0)[:, 1]
    bounds = {
        x.name: (min(0.0, a), b) for x, a, b in zip(layers, low, high, strict=True)
    }
    bounds[PICTURE] = (0.0, 255.0)  # bytes go in as they are
    for members in groups_of(layers):
        least = min(bounds[name][0] for name in members)
        most = max(bounds[name][1] for name in members)
        # A dead tensor, nothing but zeros, needs a scale all the same.
        most = most if most > least else least + 1
        bounds.update({name: (float(least), float(most)) for name in members})
    return {x.name: bounds[x.name] for x in layers if is_quantized(x)}


def is_quantized(layer: Any) -> bool:
    """Whether a layer's output has a range of its own to set."""
    if type(layer).__name__ in HANDS_ON:
        return False
    readers = [node.outbound_layer for node in layer.outbound_nodes]
    fused = [x for x in readers if type(x).__name__ == "Activation"]
    return not (type(layer).__name__ == "Add" and fused and len(readers) == 1)


def groups_of(layers: Iterable[Any]) -> list[set[str]]:
    """The names of layers whose outputs share a range, as disjoint sets."""
    group = {layer.name: {layer.name} for layer in layers}
    for layer in layers:
        if type(layer).__name__ in HANDS_ON:
            for before in tf.nest.flatten(layer.inbound_nodes[0].inbound_layers):
                joined = group[layer.name] | group[before.name]
                group.update(dict.fromkeys(joined, joined))
    return list({id(members): members for members in group.values()}.values())


# --- fake quantization ---


class PerChannel(quantization.quantizers.Quantizer):
    """Weights in 255 steps, symmetric, by output channel, as int8 files have them.

    The library's own take one range for a depthwise or transposed kernel, whose
    channels differ by orders of magnitude once a batch norm is folded into them.
    `zeros`, of the kernel's shape, says what stays zero; a `frozen` kernel stays as it
    is altogether.
    """

    def __init__(
        self, axis: int, zeros: Optional[np.ndarray] = None, frozen: bool = False
    ):
        self.axis, self.zeros, self.frozen = axis, zeros, frozen

    def build(self, tensor_shape: Any, name: str, layer: Any) -> None:
        """It has no weights."""

    def __call__(self, inputs: Any, training: bool, weights: Any, **kwargs: Any) -> Any:
        if self.zeros is not None:
            inputs = tf.where(self.zeros, 0.0, inputs)
        if self.frozen:
            inputs = tf.stop_gradient(inputs)
        order = [x for x in range(4) if x != self.axis] + [self.axis]
        x = tf.transpose(inputs, order)
        reach = tf.stop_gradient(tf.reduce_max(tf.abs(x), axis=(0, 1, 2)))
        reach = tf.maximum(reach, 1e-8)
        x = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, -reach, reach, narrow_range=True
        )
        return tf.transpose(x, np.argsort(order))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


# The name of a layer's kernel, and which of its axes is the output channels'.
KERNELS = {
    "Conv2D": ("kernel", 3),
    "Conv2DTranspose": ("kernel", 2),
    "DepthwiseConv2D": ("depthwise_kernel", 2),
}


class Fake(quantization.QuantizeConfig):
    """Quantizes a layer's kernel, its output, or both."""

    def __init__(self, output: Optional[Any] = None, kernel: Optional[Any] = None):
        self.output, self.kernel = output, kernel

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        if self.kernel is None:
            return []
        return [(getattr(layer, KERNELS[type(layer).__name__][0]), self.kernel)]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        for weight in quantize_weights:
            setattr(layer, KERNELS[type(layer).__name__][0], weight)

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        """ReLU is part of the layer; what it gives out is quantized after it."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        return {}


def quantizing(
    ranges: dict[str, tuple[float, float]], kernels: dict[str, Any]
) -> Callable[[Any], Any]:
    """For `wrapped`: outputs quantized to their ranges, kernels by their quantizers."""

    def wrap(layer: Any) -> Any:
        if layer.name not in ranges:
            return layer
        output = quantization.quantizers.FixedQuantizer(
            8, *ranges[layer.name], narrow_range=False
        )
        fake = Fake(output, kernels.get(layer.name))
        return quantization.QuantizeWrapperV2(layer, fake)

    return wrap


def weight_quantizers(
    before: tuple[str, ...], source: Rebuilt, zeros: dict[str, np.ndarray]
) -> dict[str, Any]:
    """By name, what quantizes each convolution's kernel and keeps what was done to it.

    The library keeps the clusters of plain convolutions alone: transposed ones that
    were clustered are not trained on. Depthwise ones it neither prunes nor clusters.
    """
    combine, quantizers = tfmot.experimental.combine, {}
    for name in source.convolutions:
        layer = source.model.get_layer(name)
        kind = type(layer).__name__
        if kind == "Conv2D" and "clustered" in before:
            # One each: it forgets the zeros of all where one kernel has none.
            registry = combine.Default8BitClusterPreserveQuantizeScheme(
                preserve_sparsity="pruned" in before and zeros[name].any()
            ).get_quantize_registry()
            quantizers[name] = registry.get_quantize_config(layer).weight_quantizer
        else:
            keep = zeros[name] if "pruned" in before else None
            frozen = "clustered" in before and kind == "Conv2DTranspose"
            quantizers[name] = PerChannel(KERNELS[kind][1], keep, frozen)
    return quantizers


def quantized_file(
    source: Rebuilt,
    ranges: dict[str, tuple[float, float]],
    size: tuple[int, int],
    head: str,
) -> bytes:
    """The network in int8, activations in their ranges: a .tflite with uint8 input.

    The converter itself takes the weights' scales, those that PerChannel has.
    """
    run = with_head(wrapped(source, quantizing(ranges, {})), head)
    channels = source.model.input_shape[-1]
    signature = tf.TensorSpec((1, *size, channels), tf.float32, name="image")
    function = tf.function(run, input_signature=[signature]).get_concrete_function()
    with post_training.quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function], source.model
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
        return converter.convert()
