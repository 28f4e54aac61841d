"""kseg: from a folder of labelled images to a segmented live camera."""

import os

from kseg.core.names import __version__

# TensorFlow leaves oneDNN off on processors without VNNI, where it makes convolutions
# several times faster. It reads this when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

__all__ = ["__version__"]
