"""Engines that run a model file: TFLite, LiteRT on a GPU, ONNX Runtime."""

from edge.engines.select import open_engine

__all__ = ["open_engine"]
