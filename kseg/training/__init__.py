"""Training: network, loss, optimizer, checkpoints, one loop."""
