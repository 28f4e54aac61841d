import numpy as np
import pytest

from edge.core.constants import palette
from edge.core.errors import InputError
from edge.model_file.info import InputGeometry, ModelInfo
from edge.predict.semantic import SemanticPredictor
from edge.predict.tiling import merge_tiles, split_tiles
from kseg.deploy.heads import labels as best
from kseg.models.keras_engine import KerasEngine
from tests.support.engines import only

CLASSES = 3
INFO = ModelInfo(
    class_names=("a", "b", "c"),
    colors=palette(CLASSES),
    geometry=InputGeometry(minimum=16),
)
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
    return KerasEngine(model, head=best)


def random_image(size, channels=3):
    random = np.random.RandomState(0)
    return random.randint(0, 256, (*size, channels)).astype(np.uint8)


def test_attributes(model, scoring):
    assert (scoring.name, scoring.channels, scoring.size) == ("keras", 3, None)
    assert scoring.outputs[0].shape == (1, -1, -1, CLASSES)
    assert KerasEngine(model, size=(32, 48)).size == (32, 48)


@each_size
def test_scores_are_those_of_the_model(model, scoring, size):
    scores = only(scoring, random_image(size))
    assert scores.shape == (*size, CLASSES)
    assert scores.dtype == np.float32
    logits = model(random_image(size)[None].astype(np.float32), training=False)
    np.testing.assert_allclose(scores, np.asarray(logits)[0], atol=1e-4)


@each_size
def test_labels_are_the_best_scores(scoring, labelling, size):
    labels = only(labelling, random_image(size))
    assert labels.shape == size
    np.testing.assert_array_equal(labels, only(scoring, random_image(size)).argmax(-1))


@each_size
def test_predictor_gives_labels_at_the_images_size(scoring, labelling, size):
    expected = only(scoring, random_image(size)).argmax(-1)
    for engine in (scoring, labelling):
        labels = SemanticPredictor(engine, INFO).predict(random_image(size)).labels
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, expected)
    assert len(np.unique(expected)) > 1  # else the test would be trivial


def test_predictor_converts_bgr_frames(scoring):
    predictor, image = SemanticPredictor(scoring, INFO), random_image((32, 48))
    frame = np.ascontiguousarray(image[..., ::-1])
    np.testing.assert_array_equal(
        predictor.predict(frame, order="BGR").labels, predictor.predict(image).labels
    )


@pytest.mark.parametrize("head", (None, best))
@pytest.mark.parametrize("size", ((32, 48), (64, 96), (90, 40), (17, 200)), ids=str)
def test_predictor_with_a_network_of_fixed_size(model, head, size):
    engine = KerasEngine(model, size=(32, 48), head=head)
    assert (
        SemanticPredictor(engine, INFO).predict(random_image(size)).labels.shape == size
    )


def test_large_images_are_limited(scoring):
    info = ModelInfo(INFO.class_names, INFO.colors, max_side=48)
    image = random_image((64, 96))
    predictor = SemanticPredictor(scoring, info)
    assert predictor.prepare(image)[0][0][0].shape == (32, 48, 3)
    assert predictor.predict(image).labels.shape == (64, 96)


def test_images_below_the_minimum_are_an_error(scoring):
    with pytest.raises(InputError, match="15x48.*16x16"):
        SemanticPredictor(scoring, INFO).predict(random_image((15, 48)))


# --- networks of valid convolutions, in tiles ---

TILED = {
    "unet_paper": ("unet_paper", {}, (204, 220)),  # output tiles of 20x36
    "patch-nearest": ("patch", {}, (54, 62)),  # 16x24
    "patch-bilinear": ("patch", {"upsampling": "bilinear"}, (70, 78)),  # 16x24
}


@pytest.fixture(scope="module", params=TILED)
def tiling(request):
    """A network, its ModelInfo, and an input size that gives small tiles."""
    import keras

    from kseg.models import build_model, geometry

    name, options, box = TILED[request.param]
    keras.utils.set_random_seed(0)
    network = build_model(name, CLASSES, width=4, **options)
    info = ModelInfo(INFO.class_names, INFO.colors, geometry=geometry(network))
    # Shift the random scores so that no class is the best everywhere.
    last = [layer for layer in network.layers if layer.weights][-1]
    kernel, bias = last.get_weights()
    mean = whole_scores(KerasEngine(network), info, random_image((64, 64))).mean((0, 1))
    last.set_weights([kernel, bias - mean])
    return network, info, box


def whole_scores(engine, info, image):
    """Scores (H, W, CLASSES) of the whole image, padded to an accepted size."""
    height, width = image.shape[:2]
    sides = info.geometry.smallest_input((height, width))
    around = [
        (info.geometry.valid_border, side - have - info.geometry.valid_border)
        for side, have in zip(sides, (height, width), strict=True)
    ]
    whole = np.pad(image, [*around, (0, 0)], mode="reflect")
    return only(engine, whole)[:height, :width]


@pytest.mark.parametrize("size", ((40, 64), (33, 51), (2, 70)), ids=str)
def test_tiles_give_the_scores_of_the_whole_image(tiling, size):
    network, info, box = tiling
    engine, image = KerasEngine(network), random_image(size)
    expected = whole_scores(engine, info, image)
    tiles = split_tiles(
        image, box, info.geometry.valid_border, info.geometry.input_step
    )
    assert sum(map(len, tiles)) > 1
    outputs = [[only(engine, tile) for tile in row] for row in tiles]
    scores = merge_tiles(outputs, info.geometry.input_step)[: size[0], : size[1]]
    np.testing.assert_allclose(scores, expected, atol=1e-4)

    labels = SemanticPredictor(KerasEngine(network, box), info).predict(image).labels
    untiled = SemanticPredictor(engine, info).predict(image).labels
    assert labels.shape == size and len(np.unique(labels)) > 1
    first, second = np.sort(expected, axis=-1)[..., :-3:-1].transpose(2, 0, 1)
    clear = first - second > 1e-3
    assert clear.mean() > 0.9
    for given in (labels, untiled):
        np.testing.assert_array_equal(given[clear], expected.argmax(-1)[clear])


def test_labels_of_tiles_are_the_best_scores(tiling):
    network, info, box = tiling
    image = random_image((33, 51))
    scored = SemanticPredictor(KerasEngine(network, box), info).predict(image).labels
    labelling = SemanticPredictor(KerasEngine(network, box, best), info)
    labelled = labelling.predict(image).labels
    np.testing.assert_array_equal(scored, labelled)


def test_grey_network_in_tiles():
    from kseg.models import build_model, geometry

    network = build_model("patch", CLASSES, channels=1, width=4)
    info = ModelInfo(INFO.class_names, INFO.colors, geometry=geometry(network))
    predictor = SemanticPredictor(KerasEngine(network, (54, 54)), info)
    grey = random_image((33, 51), 1)
    frame = np.repeat(grey, 3, axis=2)
    labels = predictor.predict(grey[..., 0]).labels
    np.testing.assert_array_equal(predictor.predict(grey).labels, labels)
    np.testing.assert_array_equal(predictor.predict(frame, order="BGR").labels, labels)


def test_tiled_image_of_one_pixel_is_an_error(tiling):
    network, info, _ = tiling
    with pytest.raises(InputError, match="1x40.*2x2"):
        SemanticPredictor(KerasEngine(network), info).predict(random_image((1, 40)))
