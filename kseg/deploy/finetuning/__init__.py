"""Quantization-aware training, pruning and clustering."""
