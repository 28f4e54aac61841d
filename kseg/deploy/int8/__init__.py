"""int8: calibration, sensitivity by layer, mixed precision."""
