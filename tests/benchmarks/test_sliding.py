import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from benchmarks.sliding import main, sliding_table, sliding_window
from edge.core.errors import InputError
from kseg.models.semantic.patch import (
    STRIDE,
    WINDOW,
    convolutionalized,
    patch_classifier,
)
from tests.kseg.conftest import write_pair


def with_random_statistics(classifier):
    """Sets random batch norm statistics; initial ones are identities."""
    random = np.random.RandomState(1)
    for layer in classifier.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights([random.uniform(0.5, 2, shape) for _ in range(4)])
    return classifier


@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("size", ((46, 46), (54, 70), (110, 62)), ids=str)
def test_windows_and_convolutions_give_equal_scores(size, channels):
    keras.utils.set_random_seed(0)
    classifier = with_random_statistics(patch_classifier(4, channels, width=4))
    random = np.random.RandomState(0)
    image = random.randint(0, 256, (*size, channels)).astype("float32")
    slid = sliding_window(classifier, image)
    inputs = keras.Input((None, None, channels))
    network = keras.Model(inputs, convolutionalized(classifier, inputs))
    scores = ops.convert_to_numpy(network(image[None], training=False))[0]
    assert slid.shape == tuple((side - WINDOW) // STRIDE + 1 for side in size) + (4,)
    assert np.ptp(slid, axis=(0, 1)).max() > 0 or slid.size == 4
    np.testing.assert_allclose(scores, slid, atol=1e-5)


def test_both_variants_are_timed(data_folder, capsys):
    main(["--data", str(data_folder), "--rounds", "1", "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    # 64x80 is cropped to 46 + 2 * 8 by 46 + 4 * 8: three by five patches.
    assert figures["size"] == [62, 78] and figures["patches"] == 15
    assert 0 <= figures["largest_difference"] < 1e-4
    ratio = figures["sliding_millis"] / figures["convolution_millis"]
    assert figures["times_faster"] == pytest.approx(ratio, rel=0.1, abs=0.1)


def test_images_smaller_than_a_window_are_rejected(tmp_path):
    image, mask = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint8)
    for split in ("train", "val"):
        write_pair(tmp_path / split, "a", image, mask)
    with pytest.raises(
        InputError, match="the images are smaller than the 46x46 window"
    ):
        main(["--data", str(tmp_path), "--rounds", "1"])


def test_the_table_shows_each_result():
    text = sliding_table(
        {
            "size": (62, 78),
            "patches": 15,
            "sliding_millis": 18.84,
            "convolution_millis": 2.9,
            "times_faster": 6.5,
            "largest_difference": 2.04e-06,
        }
    )
    assert text.startswith("15 patches of a 62x78 image\n")
    for shown in (" 18.8 ms", " 2.9 ms", " 6.5\n", " 2.0e-06"):
        assert shown in text
