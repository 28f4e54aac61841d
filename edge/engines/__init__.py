"""Engines that run a model file: TFLite, its GPU delegate, ONNX Runtime."""
