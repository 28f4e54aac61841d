"""Keras to TFLite and ONNX."""
