"""The convolutions of a network alone: a lower bound of the time of a training step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from kseg.models.analysis.graph import Graph, Step


def convolutions(graph: Graph, batch_size: int) -> Callable[[], Any]:
    """A function that runs a network's convolutions forward and backward on noise.

    Layers and shapes are those of the network. Control dependencies make them run one
    after another; they would slow each other down in parallel. The rest of a training
    step is what optimization could save.
    """
    import tensorflow as tf

    from kseg.models.analysis.graph import multiply_adds

    steps = [step for step in graph.steps if multiply_adds(step)]
    kinds = {kind for step in steps for kind in input_and_output(step)}
    noise = {
        (shape, dtype): tf.cast(tf.random.normal((batch_size, *shape[1:])), dtype)
        for shape, dtype in kinds
    }

    def forward_and_backward(step: Step) -> list[Any]:
        x, upstream = (noise[kind] for kind in input_and_output(step))
        # The gradient of the first input, the image, is not needed.
        targets = [x] if step is not steps[0] else []
        targets += [weight.value for weight in step.layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = step.layer(x)
        results = [y, *tape.gradient(y, targets, output_gradients=upstream)]
        return [tf.cast(tf.reshape(x, [-1])[0], tf.float32) for x in results]

    @tf.function(autograph=False)
    def run() -> Any:
        done: list[Any] = []
        for step in steps:
            with tf.control_dependencies(done[-1:]):
                done += forward_and_backward(step)
        return tf.stack(done)  # results that are not returned would not be computed

    return run


def input_and_output(step: Step) -> list[tuple[Any, str]]:
    """(shape, dtype) of the input and of the output of a layer."""
    dtype = step.layer.compute_dtype
    return [(tensor.shape, dtype) for tensor in (step.inputs[0], step.outputs[0])]
