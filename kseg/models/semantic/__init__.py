"""Networks for semantic segmentation, one function each."""
