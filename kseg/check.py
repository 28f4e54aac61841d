"""Lists what keeps a .tflite file from running on devices.

kseg check --help
"""

from kseg.cli.entry import verb

verb(__name__)
