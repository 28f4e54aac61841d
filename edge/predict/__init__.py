"""From an image to a result: resizing, tiling, decoding."""
