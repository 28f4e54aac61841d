"""Opens models, predicts a split, counts."""
