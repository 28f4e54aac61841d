"""Export of a trained run to files for devices, measured against the Keras model."""
