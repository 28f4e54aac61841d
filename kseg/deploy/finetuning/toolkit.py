"""tensorflow-model-optimization, and networks rebuilt with its wrappers."""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from typing import Any, Callable

import tf_keras

from edge.core.errors import InputError
from kseg.deploy.finetuning.tf_keras_model import TFKerasModel

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


def wrapped(source: TFKerasModel, wrap: Callable[[Any], Any]) -> Any:
    """The network of the same layers, each as `wrap` gives it back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras interfaces that will end
        return tf_keras.models.clone_model(source.model, clone_function=wrap)
