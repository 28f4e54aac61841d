"""Training of DETR as a whole, and its losses on every backend."""

import pytest

from edge.core.errors import InputError
from kseg.core.names import FLOAT_ONLY
from kseg.core.runs import BEST, CHECKPOINT, HISTORY, read_history
from kseg.evaluation.open import open_predictor
from kseg.models.saving import load_model
from kseg.training import checkpoint
from kseg.training.detection import SYSTEMS
from kseg.training.fit import fit
from kseg.training.setup import check_task, new_network
from tests.kseg.models.test_backends import OTHERS, run
from tests.kseg.training.conftest import objects_config, objects_data
from tests.kseg.training.helpers import outcome

TINY = {"model": "detr", "layers": 1, "queries": 12, "attention_width": 32}


def tiny(**options):
    return objects_config("detection", **{**TINY, **options})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two epochs of two steps with dropout, and its first checkpoint."""
    folder, first = tmp_path_factory.mktemp("detr") / "run", []
    save = checkpoint.save

    def recording(path, model, state):
        save(path, model, state)
        first.append(path.read_bytes())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", recording)
        config = tiny(epochs=2, save_seconds=0.0, ema=0.5)
        assert not fit(config, objects_data("detection"), folder)
    return folder, first[0]


@pytest.mark.slow
def test_the_saved_network_gives_probabilities_and_boxes(trained):
    folder, _ = trained
    model = load_model(folder / BEST)
    assert set(model.output) == {"scores", "boxes"}
    predictor = open_predictor(folder / BEST)
    assert predictor.info.decoder == {
        **{"kind": "boxes", "score": 0.3, "nms": 1.0, "max_detections": 100},
    }
    image = objects_data("detection").split("val").read(0).image
    found = predictor.with_decoder({"score": 0.0}).predict(image)
    assert 0 < len(found.boxes) <= 12
    assert found.boxes.min() >= 0 and found.boxes.max() <= 128


@pytest.mark.slow
def test_the_loss_is_recorded(trained):
    lines = read_history(trained[0] / HISTORY)
    assert list(lines[0])[3:] == ["loss", "val_box_ap"]
    assert all(2 < line["loss"] < 20 for line in lines)


@pytest.mark.slow
def test_a_resumed_run_ends_bit_equal(trained, tmp_path):
    folder, first = trained
    (tmp_path / CHECKPOINT).write_bytes(first)
    config = tiny(epochs=2, save_seconds=0.0, ema=0.5, resume=True)
    assert not fit(config, objects_data("detection"), tmp_path)
    expected, found = outcome(folder), outcome(tmp_path)
    assert [name for name in expected if expected[name] != found[name]] == []


def test_small_crops_have_fine_features():
    system, data = SYSTEMS["detr"], objects_data("detection")
    for size, options, strides in (
        ((128, 128), {}, (8,)),
        ((192, 192), {}, (32,)),
        ((192, 192), {"strides": (16,)}, (16,)),
    ):
        config = objects_config("detection", size=size, **{"strides": (), **options})
        assert system.network_options(config, data)["strides"] == strides
        assert not system.network_options(config, data)["frozen"]  # from scratch


def test_masks_and_wrong_options_are_refused():
    with pytest.raises(InputError, match="detr: is for the task detection"):
        check_task("detr", objects_data("instance"))
    with pytest.raises(InputError, match="one stride"):
        new_network(tiny(strides=(8, 16)), objects_data("detection"))


def test_it_is_exported_in_float_only():
    assert "detr" in FLOAT_ONLY


# Three steps from the same weights, with the optimizer of training.
STEPS = """
import keras, numpy as np
from edge.video import scenes
from kseg.data.loading.box_targets import BoxTargets
from kseg.data.objects import objects_of_map
from kseg.models import build_model
from kseg.training.joint_loss import for_loss
from kseg.training.losses.detr import DetrLoss
from kseg.training.optimizer import Schedule, new_optimizer

size, images, rows = (64, 64), [], []
targets = BoxTargets(size, limit=12)
for index in range(2):
    image, ids, classes = scenes.scene_objects(0, index, size)
    images.append(image.astype(np.float32))
    rows.append(targets.of(objects_of_map(ids, classes), np.random.default_rng(0)))
target = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
small = {"layers": 2, "queries": 12, "attention_width": 32, "dropout": 0.0}
model = build_model("detr", 5, width=4, strides=(8,), **small)
random = np.random.RandomState(0)
for variable in model.trainable_variables:
    if variable.name in ("kernel", "vectors"):
        deviation = np.sqrt(2 / np.prod(variable.shape[:-1]))
        variable.assign(random.normal(0, deviation, variable.shape))
model = for_loss(model, DetrLoss(size))
rate = Schedule(1e-3, 10, 0, "cosine", 0.02)
options = {"clip_norm": 0.1, "encoder_rate": 0.1}
model.compile(new_optimizer("adamw", rate, 1e-4, **options))
for _ in range(3):
    print(float(model.train_on_batch(np.stack(images), target)))
"""


@pytest.fixture(scope="module")
def losses() -> list[float]:
    """Those of STEPS on TensorFlow."""
    return [float(line) for line in run("tensorflow", STEPS)]


@pytest.mark.parametrize("name", OTHERS)
def test_losses_are_the_same_on_every_backend(name, losses):
    """The first to 1e-4; later ones differ by the rounding of the steps before."""
    found = [float(line) for line in run(name, STEPS)]
    assert found[0] == pytest.approx(losses[0], rel=1e-4)
    assert found[1:] == pytest.approx(losses[1:], rel=1e-2)
    assert found[2] < found[0]
