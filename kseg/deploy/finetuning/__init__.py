"""Fine-tuning: quantization-aware training, pruning and clustering."""
