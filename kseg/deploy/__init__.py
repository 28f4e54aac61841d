"""From a trained run to files for devices, with proof of what that cost."""
