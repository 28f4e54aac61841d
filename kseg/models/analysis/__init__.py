"""Analysis of a network's layers: cost, memory and receptive field."""
