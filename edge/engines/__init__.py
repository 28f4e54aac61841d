"""Engines that run a model file: TFLite, its GPU delegate, ONNX Runtime."""

from edge.engines.select import open_engine

__all__ = ["open_engine"]
