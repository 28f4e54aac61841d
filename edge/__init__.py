"""The part of kseg that runs alone on a board: numpy, OpenCV and one interpreter."""
