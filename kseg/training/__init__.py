"""Training: network, loss, optimizer, checkpoints and the training loop."""
