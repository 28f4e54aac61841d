"""Masks whose values contradict those of the others."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.core.errors import InputError
from kseg.data.checks.rules import diagnose
from kseg.data.checks.scan import scan_folder
from kseg.data.folder import open_folder
from kseg.data.mask_values import (
    MaskValues,
    count_ids,
    find_smoothing,
    lonely_ids,
    wrong_values,
)


def mask(name: str, **pixels: int) -> MaskValues:
    """A mask with numbers of pixels by id: `mask("a", _0=90, _255=10)`."""
    counts = np.zeros(256, np.int64)
    for key, number in pixels.items():
        counts[int(key[1:])] = number
    return MaskValues(Path(f"{name}.png"), counts)


OF_ONE = [mask("a", _0=900, _255=100), mask("b", _0=800, _255=200)]
OF_IDS = [mask("c", _0=900, _1=100), mask("d", _0=500, _1=490, _255=10)]


def blamed(masks: list[MaskValues], *given) -> dict[str, str]:
    return {path.stem: text for path, text in wrong_values(masks, *given)}


@pytest.mark.parametrize(
    "masks",
    [
        [],
        OF_ONE,
        OF_IDS,
        [mask("a", _0=1, _5=1)],
        [mask("a", _0=900, _20=50), mask("b", _0=800, _1=100, _255=100)],
        # all things of COCO, with void and with nothing
        [mask("a", _0=100, _3=500, _180=400), mask("b", _0=9, _255=9, _90=99)],
    ],
)
def test_masks_that_agree(masks):
    assert blamed(masks) == {}


def test_255_beside_1_is_no_void():
    found = blamed([*OF_ONE, *OF_IDS[:1] * 3])
    assert list(found) == ["a"]
    assert "has 255 in 100 pixels, but c.png marks the object with 1" in found["a"]
    assert 'declare classes and "ignore_index": 255' in found["a"]


@pytest.mark.parametrize("declared", [0, 2])
def test_255_is_void_where_a_mask_has_it_beside_1(declared):
    without_object = [mask(name, _0=900, _255=100) for name in "ab"]
    assert blamed([*without_object, *OF_IDS], declared) == {}
    slip = mask("c", _0=900, _1=20, _255=80)
    assert list(blamed([*without_object, slip], declared)) == ["c"]


def test_a_stray_1_is_blamed_and_not_the_others():
    found = blamed([*OF_ONE, mask("c", _0=900, _1=1, _255=99)])
    assert list(found) == ["c"]
    assert "has 1 in 1 pixels, but a.png marks the object with 255" in found["c"]


@pytest.mark.parametrize("value", [2, 100, 254])
def test_a_stray_value_between_0_and_255_is_blamed(value):
    stray = mask("c", _0=90_000, _255=9000, **{f"_{value}": 1})
    found = blamed([*OF_ONE, stray])
    assert list(found) == ["c"]
    assert found["c"].startswith(f"1 value between 0 and 255 ({value}) in 1 pixels")


@pytest.mark.parametrize("value", [7, 100, 254])
def test_an_id_far_above_the_others_may_be_a_slip_or_rare(value):
    def found(number: int, pixels: int) -> dict[str, str]:
        stray = mask("s", _0=9000, _1=900, **{f"_{number}": pixels})
        assert blamed([*OF_IDS, stray]) == {}
        return {path.stem: text for path, text in lonely_ids([*OF_IDS, stray])}

    text = f"id {value} in 3 pixels, the other ids are 0 to 1, and the classes go up to"
    assert list(found(value, 3)) == ["s"] and found(value, 3)["s"].startswith(text)
    assert found(value, 300) == found(2, 3) == {}
    assert lonely_ids([]) == []


def test_masks_that_are_all_smoothed_are_blamed():
    edges = {f"_{value}": 1 for value in range(10, 250, 10)}
    masks = [mask(name, _0=900, _255=200, **edges) for name in "ab"]
    found = blamed(masks)
    assert list(found) == ["a", "b"]
    assert "24 values between 0 and 255 (10, 20, 30, 40, ...) in 24" in found["a"]


@pytest.mark.parametrize("values", [(128,), (85, 170), (127, 254)])
def test_shades_are_no_ids(values):
    masks = [mask("a", _0=500, **{f"_{value}": 250 for value in values})]
    assert "are shades, not ids; number the classes" in blamed(masks)["a"]


def test_a_few_shades_beside_255_are_no_smoothed_edges():
    masks = [mask(name, _0=500, _128=250, _255=250) for name in "ab"]
    assert "the values 0, 128, 255, which are shades" in blamed(masks)["a"]
    assert "smoothed edges" in blamed([*OF_ONE, masks[0]])["a"]


def test_declared_classes_whose_masks_have_255_for_the_object():
    assert "but in classes.json the object is 1; save it" in blamed(OF_ONE, 2)["a"]
    assert blamed(OF_ONE, 2, True) == {}  # classes.json says that 255 is void
    assert blamed(OF_IDS, 2) == {}
    assert list(blamed([*OF_ONE[:1], *OF_IDS[:1]], 2)) == ["a"]
    assert blamed([*OF_ONE[:1], *OF_IDS], 5) == {}


def test_ids_are_counted_in_parts(monkeypatch):
    monkeypatch.setattr("kseg.data.mask_values.CHUNK", 3)
    ids = np.array([[0, 1, 1, 255], [-1, 7, 7, 7]], np.int16)
    counts = count_ids(ids, least=-1)
    assert counts[[0, 1, 7, 255]].tolist() == [1, 2, 3, 1]
    assert counts.sum() == 7  # all but the -1


# --- smoothed edges ---


def three_classes() -> np.ndarray:
    """Ids 0, 5 and 9 (96, 96): a rectangle and a disc."""
    ids = np.zeros((96, 96), np.uint8)
    ids[10:50, 20:70] = 5
    cv2.circle(ids, (60, 65), 20, 9, -1)
    return ids


@pytest.mark.parametrize(
    "change",
    [
        lambda m: cv2.GaussianBlur(m, (3, 3), 0.8),
        lambda m: cv2.resize(m, (64, 64), interpolation=cv2.INTER_AREA),
        lambda m: cv2.resize(m, (192, 192), interpolation=cv2.INTER_LINEAR),
        lambda m: cv2.resize(m, (150, 150), interpolation=cv2.INTER_CUBIC),
    ],
)
def test_smoothed_edges_run_through_other_ids(change):
    assert find_smoothing(three_classes()) is None
    found = find_smoothing(change(three_classes()))
    assert found is not None and found.certain
    assert "the mask was smoothed or resized" in str(found)


def test_resizing_to_the_nearest_pixel_is_no_smoothing():
    small = cv2.resize(three_classes(), (61, 61), interpolation=cv2.INTER_NEAREST)
    assert find_smoothing(small) is None


def test_ids_at_random_are_not_smoothed():
    """Of three different ids the middle one is between the others in one of 3 cases."""
    ids = np.random.default_rng(0).integers(0, 6, (64, 64), dtype=np.uint8)
    assert find_smoothing(ids) is None


def test_of_a_large_mask_the_middle_rows_are_searched(monkeypatch):
    monkeypatch.setattr("kseg.data.mask_values.LARGE", 8 * 60)
    ids = np.zeros((100, 8), np.uint8)
    ids[:, 4:] = 4
    ids[:, 3] = 1
    assert find_smoothing(ids)[2:4] == (20, 3)


def test_the_first_smoothed_pixel_is_named():
    ids = np.zeros((60, 8), np.uint8)
    ids[:, 4:] = 4
    ids[:, 3] = 1
    found = find_smoothing(ids)
    # In each row 0 | 1 | 4: two edges, of which one is followed by another step.
    assert (found.row, found.column, found.ids) == (0, 3, (0, 1, 4))
    assert (found.share, found.values) == (0.5, 1)
    assert not found.certain  # it may be a class for borders
    assert str(found).startswith("smoothed, resized or thin classes: 50% of the pix")


# --- folders ---


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def folder_of(folder: Path, *masks: np.ndarray) -> Path:
    for number, ids in enumerate(masks):
        for kind, content in (("images", ids ^ 3), ("masks", ids)):
            save(folder / "train" / kind / f"m{number}.png", content)
            save(folder / "val" / kind / f"v{number}.png", masks[0])
    return folder


def test_training_and_the_doctor_blame_the_same_mask(tmp_path):
    whole = np.zeros((40, 40), np.uint8)
    whole[:20] = 255
    stray = whole.copy()
    stray[3, 3] = 254
    folder = folder_of(tmp_path, whole, stray, whole)
    with pytest.raises(InputError, match="m1.png: 1 value between 0 and 255 .254."):
        open_folder(folder, seed=0)
    scanned = scan_folder(folder, seed=0)
    assert [(i.kind, i.name) for i in scanned.issues] == [
        ("values", "train/masks/m1.png")
    ]
    assert scanned.class_names == ("background", "foreground")


def test_a_rare_class_is_a_warning(tmp_path, caplog):
    ids = np.zeros((64, 64), np.uint8)
    ids[:32], ids[40:50] = 1, 2
    rare = ids.copy()
    rare[60, :10] = 15
    folder = folder_of(tmp_path, ids, rare)
    assert open_folder(folder, seed=0).num_classes == 16
    assert "masks/m1.png: id 15 in 10 pixels, the other ids are 0 to 2" in caplog.text
    scanned = scan_folder(folder, seed=0)
    assert [(i.kind, i.name, i.error) for i in scanned.issues] == [
        ("lonely id", "train/masks/m1.png", "")
    ]
    assert len(scanned.class_names) == 16
    found = {issue.kind: issue for issue in diagnose(scanned)}
    assert found["gaps"].examples == tuple(f"class {n}" for n in range(3, 15))
    assert "error" not in {issue.severity for issue in found.values()}


def test_masks_of_nothing_lack_a_class_and_ids_with_gaps_do_not(tmp_path):
    nothing = np.zeros((64, 64), np.uint8)
    scanned = scan_folder(folder_of(tmp_path / "a", nothing, nothing), seed=0)
    assert "absent class" in {issue.kind for issue in diagnose(scanned)}
    ids = nothing.copy()
    ids[:30] = 2
    scanned = scan_folder(folder_of(tmp_path / "b", ids, ids), seed=0)
    found = {issue.kind: issue for issue in diagnose(scanned)}
    assert found["gaps"].examples == ("class 1",) and "absent class" not in found


def test_smoothed_masks_stop_training_and_borders_do_not(tmp_path):
    smoothed = cv2.GaussianBlur(three_classes(), (3, 3), 0.8)
    folder = folder_of(tmp_path / "a", three_classes(), smoothed)
    with pytest.raises(InputError, match="m1.png: .*the mask was smoothed or resized"):
        open_folder(folder, seed=0)
    border = np.zeros((96, 96), np.uint8)
    border[20:80, 20:80] = 1
    border[21:79, 21:79] = 2
    folder = folder_of(tmp_path / "b", border, border)
    assert open_folder(folder, seed=0).num_classes == 3
    kinds = {issue.kind for issue in scan_folder(folder, seed=0).issues}
    assert kinds == {"thin"}
