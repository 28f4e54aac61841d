"""What keeps a .tflite file from a device."""
