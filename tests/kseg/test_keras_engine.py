import numpy as np
import pytest

from edge.command import BadInput
from edge.metadata import ModelInfo, palette
from edge.segmenter import Segmenter
from kseg.keras_engine import KerasEngine

CLASSES = 3
INFO = ModelInfo(names=("a", "b", "c"), colors=palette(CLASSES), minimum=16)
SIZES = ((32, 48), (33, 50), (16, 16))
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


@pytest.fixture(scope="module")
def model():
    import keras

    from kseg.models import build_model

    keras.utils.set_random_seed(0)
    return build_model("unet", CLASSES, width=4)


@pytest.fixture(scope="module")
def scoring(model):
    return KerasEngine(model)


@pytest.fixture(scope="module")
def labelling(model):
    return KerasEngine(model, labels=True)


def picture(size, channels=3):
    random = np.random.RandomState(0)
    return random.randint(0, 256, (*size, channels)).astype(np.uint8)


def test_what_it_says_of_itself(model, scoring):
    assert (scoring.name, scoring.channels, scoring.size) == ("keras", 3, None)
    assert not scoring.labels
    assert KerasEngine(model, size=(32, 48)).size == (32, 48)


@each_size
def test_scores_are_the_models(model, scoring, size):
    scores = scoring(picture(size))
    assert scores.shape == (*size, CLASSES)
    assert scores.dtype == np.float32
    logits = model(picture(size)[None].astype(np.float32), training=False)
    np.testing.assert_allclose(scores, np.asarray(logits)[0], atol=1e-4)


@each_size
def test_labels_are_the_best_scores(scoring, labelling, size):
    labels = labelling(picture(size))
    assert labels.shape == size
    np.testing.assert_array_equal(labels, scoring(picture(size)).argmax(-1))


@each_size
def test_segmenter_gives_labels_at_the_images_size(scoring, labelling, size):
    expected = scoring(picture(size)).argmax(-1)
    for engine in (scoring, labelling):
        labels = Segmenter(engine, INFO).predict(picture(size))
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, expected)
    assert len(np.unique(expected)) > 1  # or the test says nothing


def test_segmenter_turns_frames_of_opencv(scoring):
    segmenter, image = Segmenter(scoring, INFO), picture((32, 48))
    frame = np.ascontiguousarray(image[..., ::-1])
    np.testing.assert_array_equal(
        segmenter.predict(frame, order="BGR"), segmenter.predict(image)
    )


@pytest.mark.parametrize("labels", (False, True))
@pytest.mark.parametrize("size", ((32, 48), (64, 96), (90, 40), (17, 200)), ids=str)
def test_segmenter_with_a_network_of_fixed_size(model, labels, size):
    engine = KerasEngine(model, size=(32, 48), labels=labels)
    assert Segmenter(engine, INFO).predict(picture(size)).shape == size


def test_large_pictures_are_bounded(scoring):
    info = ModelInfo(INFO.names, INFO.colors, max_side=48)
    image = picture((64, 96))
    segmenter = Segmenter(scoring, info)
    assert segmenter.prepare(image)[0].shape == (32, 48, 3)
    assert segmenter.predict(image).shape == (64, 96)


def test_pictures_below_the_minimum_are_refused(scoring):
    with pytest.raises(BadInput, match="15x48.*16x16"):
        Segmenter(scoring, INFO).predict(picture((15, 48)))
