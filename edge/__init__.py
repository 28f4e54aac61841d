"""The part of kseg that runs on a device with NumPy, OpenCV and one interpreter."""
