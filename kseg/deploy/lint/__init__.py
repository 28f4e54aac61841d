"""Checks .tflite files for what devices do not support."""
