"""Imports tensorflow-model-optimization and applies its layer wrappers."""

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
    """Imports tensorflow-model-optimization; restores the variable that it sets.

    The variable makes tf_keras the tf.keras of this process and its children. Keras 3
    is not affected, and kseg does not use tf.keras. Raises InputError if the package is
    missing.
    """
    before = os.environ.get(LEGACY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import tensorflow_model_optimization as tfmot
        except ImportError as error:
            raise InputError(
                f"pruning, clustering and qat need tensorflow-model-optimization "
                f"({error}): pip install tensorflow-model-optimization"
            ) from None
    if before is None:
        os.environ.pop(LEGACY, None)
    return tfmot


tfmot = library()
quantization = tfmot.quantization.keras
# Not a public name; the library's guide imports it by this path.
clustering = import_module(
    "tensorflow_model_optimization.python.core.clustering.keras.experimental.cluster"
)


def clone_with(source: TFKerasModel, wrap: Callable[[Any], Any]) -> Any:
    """A copy of the network in which each layer is replaced by `wrap(layer)`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated Keras interfaces
        return tf_keras.models.clone_model(source.model, clone_function=wrap)
