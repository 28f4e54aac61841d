"""From a trained network to files for small devices."""
