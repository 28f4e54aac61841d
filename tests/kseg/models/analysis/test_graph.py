import keras
import pytest
from keras import layers

from kseg.models.analysis.graph import (
    image_of,
    inference_bytes,
    multiply_adds,
    parameters,
    trace,
    training_bytes,
    uncounted,
)
from kseg.models.layers.attention import Attend, LearnedQueries


def model_of(*stack, channels=3):
    """A chain of layers on an image of dynamic size."""
    x = image = keras.Input((None, None, channels))
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)


def count(*stack, size=(8, 6), channels=3):
    graph = trace(model_of(*stack, channels=channels), size)
    return sum(map(multiply_adds, graph.steps))


def test_trace_records_the_calls_with_their_shapes():
    model = model_of(layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu"))
    graph = trace(model, (8, 6))
    conv, relu = graph.steps
    assert (conv.layer.name, relu.layer.name) == ("conv", "relu")
    assert graph.image.shape == (1, 8, 6, 3)
    assert conv.inputs == (graph.image,)
    assert conv.outputs[0].shape == (1, 6, 4, 4)
    assert relu.inputs == conv.outputs and relu.outputs == graph.outputs


def test_trace_does_not_change_the_model():
    model = model_of(layers.Conv2D(4, 3))
    shape, weights = model.output_shape, model.weights
    trace(model, (8, 6))
    assert model.output_shape == shape
    assert all(a is b for a, b in zip(model.weights, weights, strict=True))


def test_trace_accepts_sequential_and_list_structures():
    stack = [keras.Input((None, None, 3)), layers.Conv2D(4, 3)]
    assert trace(keras.Sequential(stack), (8, 6)).outputs[0].shape == (1, 6, 4, 4)
    image = keras.Input((None, None, 3))
    listed = keras.Model([image], [layers.Conv2D(4, 3)(image)])
    assert trace(listed, (8, 6)).outputs[0].shape == (1, 6, 4, 4)


def test_trace_records_operations_that_are_not_layers():
    image = keras.Input((None, None, 3))
    graph = trace(keras.Model(image, (image + 3.0) * image), (8, 6))
    assert [len(step.inputs) for step in graph.steps] == [1, 2]


class Opaque(keras.Model):
    def call(self, x):
        return x


def test_models_that_are_not_a_graph_with_one_image():
    a, b = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    vector = keras.Input((7,))
    for model in (
        Opaque(),
        keras.Model([a, b], layers.Add()([a, b])),
        keras.Model(vector, layers.Dense(2)(vector)),
    ):
        with pytest.raises(ValueError, match="one image"):
            image_of(model)


# Multiply-adds by hand, for an image of 8x6x3.
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, 3, padding="same"), 8 * 6 * 3 * 3 * 3 * 5),
        (layers.Conv2D(5, 3), 6 * 4 * 3 * 3 * 3 * 5),
        (layers.Conv2D(5, (1, 3), strides=2, padding="same"), 4 * 3 * 3 * 3 * 5),
        (layers.Conv2D(5, 3, dilation_rate=2), 4 * 2 * 3 * 3 * 3 * 5),
        (layers.Conv2D(6, 3, groups=3, padding="same"), 8 * 6 * 3 * 3 * 1 * 6),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 6 * 4 * 3 * 3 * 3 * 2),
        (layers.SeparableConv2D(5, 3), 6 * 4 * (3 * 3 * 3 + 3 * 5)),
        (layers.Conv2DTranspose(5, 4, 2, padding="same"), 8 * 6 * 4 * 4 * 3 * 5),
        (layers.Dense(5), 8 * 6 * 3 * 5),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(3, 1, padding="same"), 0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_multiply_adds(layer, expected):
    assert count(layer) == expected


def test_dense_after_flatten():
    image = keras.Input((8, 6, 3))
    model = keras.Model(image, layers.Dense(5)(layers.Flatten()(image)))
    assert sum(map(multiply_adds, trace(model, (8, 6)).steps)) == 8 * 6 * 3 * 5


def test_layer_called_twice_costs_twice_and_has_its_weights_once():
    image = keras.Input((None, None, 3))
    conv = layers.Conv2D(3, 3, padding="same", use_bias=False)
    graph = trace(keras.Model(image, conv(conv(image))), (8, 6))
    assert parameters(graph.steps) == 3 * 3 * 3 * 3
    assert sum(map(multiply_adds, graph.steps)) == 2 * 8 * 6 * 3 * 3 * 3 * 3


def test_layers_that_are_not_counted_are_listed():
    image = keras.Input((8, 6, 3))
    x = layers.EinsumDense("bhwc,cd->bhwd", (8, 6, 5), name="mix")(image)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(x))
    assert uncounted(trace(keras.Model(image, x), (8, 6))) == ["mix"]


def test_attention_is_two_products_and_queries_are_only_added():
    image = keras.Input((None, None, 4))
    tokens = layers.Reshape((-1, 4))(image)
    queries = LearnedQueries(5)(tokens)
    graph = trace(keras.Model(image, Attend(2)([queries, tokens, tokens])), (3, 2))
    # Each of 5 queries and 6 cells: a product of 4 channels, and the sum of values.
    assert sum(map(multiply_adds, graph.steps)) == 2 * 5 * 6 * 4
    assert uncounted(graph) == []


def test_layer_with_an_output_of_unknown_size():
    mix = layers.EinsumDense("bhwc,cd->bhwd", (None, None, 5), name="mix")
    with pytest.raises(ValueError, match="mix has an output of unknown size"):
        trace(model_of(mix), (8, 6))


# --- memory, for an image of 8x8x1: 64 numbers ---


def test_training_keeps_the_image_and_every_output():
    model = model_of(layers.Conv2D(2, 3, padding="same"), layers.ReLU(), channels=1)
    assert training_bytes(trace(model, (8, 8))) == 4 * (64 + 128 + 128)


def test_inference_needs_the_input_and_output_of_a_layer():
    stack = [layers.Conv2D(c, 3, padding="same") for c in (4, 2)]
    graph = trace(model_of(*stack, channels=1), (8, 8))
    # The image is kept for the caller; the second convolution reads 4 and writes 2.
    assert inference_bytes(graph) == 4 * 64 * (1 + 4 + 2)


def test_activations_overwrite_inputs_that_are_not_read_later():
    stack = [layers.Conv2D(4, 1), layers.BatchNormalization(), layers.ReLU()]
    graph = trace(model_of(*stack, channels=1), (8, 8))
    assert inference_bytes(graph) == 4 * 64 * (1 + 4)


def test_pooling_does_not_overwrite_its_input():
    stack = [layers.Conv2D(4, 1), layers.MaxPooling2D(3, 1, padding="same")]
    graph = trace(model_of(*stack, channels=1), (8, 8))
    assert inference_bytes(graph) == 4 * 64 * (1 + 4 + 4)


def test_skip_connections_are_kept():
    image = keras.Input((None, None, 1))
    skip = layers.Conv2D(4, 1)(image)
    x = layers.ReLU()(skip)  # cannot overwrite `skip`, which is read later
    x = layers.MaxPooling2D(2)(x)  # (4, 4, 4)
    x = layers.Conv2D(8, 1)(x)  # (4, 4, 8)
    x = layers.UpSampling2D(2)(x)  # (8, 8, 8)
    model = keras.Model(image, layers.Concatenate()([skip, x]))
    # At the end: image, skip, x and their concatenation of 12 channels.
    assert inference_bytes(trace(model, (8, 8))) == 4 * 64 * (1 + 4 + 8 + 12)


def test_sum_overwrites_one_of_its_inputs():
    image = keras.Input((None, None, 1))
    a, b = (layers.Conv2D(4, 1)(image) for _ in range(2))
    graph = trace(keras.Model(image, layers.Add()([a, b])), (8, 8))
    assert inference_bytes(graph) == 4 * 64 * (1 + 4 + 4)


# Published: 15.5 G for VGG16 with its dense layers, 300 M for MobileNetV2 with its
# classifier (Sandler et al., 2018, table 4), 3.8 G for ResNet50 (He et al., 2016, table
# 1). The often cited 4.1 G are for ResNet50 version 1.5, which halves one layer later.
@pytest.mark.parametrize(
    ("name", "top", "weights", "expected"),
    [
        ("VGG16", False, 14_714_688, 15_346_630_656),
        ("MobileNetV2", False, 2_257_984, 299_494_272),
        ("MobileNetV2", True, 3_538_984, 300_774_272),
        ("ResNet50", False, 23_587_712, 3_855_925_248),
        pytest.param(
            *("VGG16", True, 138_357_544, 15_470_264_320), marks=pytest.mark.slow
        ),
    ],
)
def test_published_networks(name, top, weights, expected):
    size = (224, 224)
    model = getattr(keras.applications, name)(
        weights=None, include_top=top, input_shape=(*size, 3)
    )
    graph = trace(model, size)
    assert parameters(graph.steps) == model.count_params() == weights
    assert sum(map(multiply_adds, graph.steps)) == expected
    assert uncounted(graph) == []
