"""The splits and names of YOLO's data.yaml: two folders a and b, two images each."""

import pytest

BOX = "0 0.5 0.5 0.2 0.4"


@pytest.fixture
def declared(source, save, write):
    """Writes the images, their labels and data.yaml; returns its path."""

    def declared(text, images="images", labels="labels"):
        for name in ("a/a0", "a/a1", "b/b0", "b/b1"):
            save(source / images / f"{name}.jpg")
            write(source / labels / f"{name}.txt", BOX)
        return write(source / "data.yaml", f"names: [cat]\n{text}")

    return declared


def names(found):
    return {split: "".join(sorted(images)) for split, images in found.items()}


A, B = "a0.jpga1.jpg", "b0.jpgb1.jpg"
BOTH = {"train": A, "val": B}


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("train: images/a\nval: images/b", BOTH),
        ("train: ./images/b/\nval: ../images/a", {"train": B, "val": A}),
        ("path: images\ntrain: a\nval: b", BOTH),
        ("path: ../datasets/x\ntrain: images/a\nval: images/b", BOTH),
        ("train: /content/x/images/a\nval: C:\\x\\images\\b", BOTH),
    ),
)
def test_folders(declared, prepared_objects, text, expected):
    declared(text)
    assert names(prepared_objects()) == expected


def test_a_split_that_is_train_again_is_not_used(declared, prepared_objects):
    """One of the two images of train becomes val."""
    declared("train: [images/b]\ntest: images/a\nval: images/b")
    found = names(prepared_objects())
    assert found["test"] == A
    assert sorted((found["train"], found["val"])) == ["b0.jpg", "b1.jpg"]


def test_several_folders_and_empty_keys(declared, prepared_objects):
    declared("train: [images/a, images/b/]\nval:\ntest: ''")
    assert sum(map(len, prepared_objects().values())) == 4


@pytest.mark.parametrize("prefix", ("", "./", "images/", "/x/images/", "data/images/"))
def test_lists(declared, write, source, prepared_objects, prefix):
    declared("train: train.txt\nval: /home/me/val.txt")
    folder = "" if prefix in ("", "./") else "{}/"
    for split, letter in (("train", "a"), ("val", "b")):
        lines = (f"{prefix}{folder.format(letter)}{letter}{i}.jpg" for i in (0, 1))
        write(source / f"{split}.txt", "\n".join(lines) + "\n\n")
    assert names(prepared_objects()) == BOTH


def test_a_name_is_not_found_in_another_folder(declared, write, source, error_message):
    """images/c/a0.jpg is not images/a/a0.jpg."""
    declared("train: train.txt")
    path = write(source / "train.txt", "images/c/a0.jpg\n")
    assert error_message().startswith(f"{path}: its image images/c/a0.jpg is missing")


def test_images_of_no_split_are_left_out(declared, write, source, prepared_objects):
    declared("train: train.txt\nval: images/b")
    write(source / "train.txt", "images/a/a1.jpg")
    assert names(prepared_objects()) == {"train": "a1.jpg", "val": B}


@pytest.mark.parametrize(
    ("text", "words"),
    (
        ("train: images/a\nval: /x/c", "`val` is '/x/c', which is not in this export"),
        (f"train: images/a\nval: {'c' * 999}", "which is not in this export"),
        ("train: images\nval: images/b", "b0.jpg is in `train` and in `val`"),
        ("train: labels/a", "`train` is 'labels/a', which has no images"),
        ("train: {a: b}", "`train` must be a folder, a list of images"),
        ("nc: 2", "`nc` is '2', but `names` has 1 names"),
    ),
)
def test_what_cannot_be_followed_is_refused(declared, error_message, text, words):
    path = declared(text)
    message = error_message()
    assert message.startswith(f"{path}: ")
    assert words in message


def test_paths_of_another_computer(source, save, write, prepared_objects):
    """Folders named after splits are read as without data.yaml."""
    for split in ("train", "val"):
        save(source / f"images/{split}/{split}.jpg")
        write(source / f"labels/{split}/{split}.txt", BOX)
    text = "train: /x/train/images\nval: /x/val/images\nnames: [cat]"
    write(source / "data.yaml", text)
    assert list(prepared_objects()["val"]) == ["val.jpg"]
