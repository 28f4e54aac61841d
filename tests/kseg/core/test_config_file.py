import json
from dataclasses import replace

import pytest

from edge.core.errors import InputError
from kseg.cli.parser import parse, parse_given
from kseg.core.configs import (
    EvaluateConfig,
    ExportConfig,
    TrainConfig,
    to_record,
)
from kseg.core.options import refuse_unused
from kseg.core.task_defaults import for_task
from kseg.core.time_options import MOST_EPOCHS

RECIPE = """
epochs = 40
learning-rate = 3e-3
batch_size = 4
size = [360, 480]
flip = false
loss = "ce+0.5*dice"

[export]
quantize = ["int8"]

[train]
encoder = "mobilenetv2"
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def train(*argv):
    return parse(TrainConfig, "kseg train", "", [*map(str, argv)])


def test_options_from_a_file(recipe):
    assert train("--config", recipe) == TrainConfig(
        epochs=40,
        learning_rate=0.003,
        batch_size=4,
        size=(360, 480),
        flip=False,
        loss="ce+0.5*dice",
        encoder="mobilenetv2",
    )


def test_the_command_line_wins(recipe):
    config, given = parse_given(
        TrainConfig, "kseg train", "", ["--config", str(recipe), "--epochs", "2"]
    )
    assert config.epochs == 2 and config.batch_size == 4
    assert {"epochs", "batch_size", "encoder"} <= given and "seed" not in given


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_a_run_wrote_can_be_given_back(tmp_path, what):
    ran = TrainConfig(
        data="photos", epochs=7, size=(64, 96), resume=True, json="-", output="old"
    )
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"config": to_record(ran), "data": {}}), encoding="utf-8"
    )
    again = train("--config", path if what == "file" else tmp_path, "--output", "new")
    assert again == replace(ran, resume=False, json="", output="new")


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("semantic", "--data photos"),
        ("semantic", "--loss ohem --hard-share 0.5 --teacher a,b --hours 2"),
        ("semantic", "--paste 0.5 --folds 3"),
        ("semantic", "--weights imagenet"),
        ("semantic", "--weights imagenet --encoder-rate 1 --schedule cosine"),
        # The defaults of masks, where objects have others.
        ("instance", "--batch-size 8 --ema 0 --scale 1.6 --weight-decay-of all"),
        ("instance", "--weights imagenet --encoder-rate 1"),
        ("detection", "--model detr --clip-norm 0"),
        ("detection", "--model fast_rcnn --strides 2,4"),
    ],
)
def test_a_run_is_trained_again_with_its_options(tmp_path, task, options):
    config, given = parse_given(TrainConfig, "kseg train", "", options.split())
    ran = for_task(config, given, task)
    record = {"config": to_record(ran), "data": {}}
    (tmp_path / "config.json").write_text(json.dumps(record), encoding="utf-8")
    argv = ["--config", str(tmp_path)]
    again, given = parse_given(TrainConfig, "kseg train", "", argv)
    refuse_unused(again, given)
    assert for_task(again, given, task) == ran


def test_the_time_of_a_fold_is_that_of_all(tmp_path):
    fold = TrainConfig(folds=4, fold=1, hours=0.5, epochs=MOST_EPOCHS)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"config": to_record(fold)}), encoding="utf-8")
    assert train("--config", path).hours == 2


def test_a_run_of_an_older_version_keeps_its_hard_pixels(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"config": {"loss": "ohem"}}', encoding="utf-8")
    again = train("--config", path)
    assert (again.hard_probability, again.hard_share) == (0.0, 0.25)


def test_keys_of_another_version_of_a_run_are_left_out(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"config": {"of_tomorrow": 1, "epochs": 3}}), encoding="utf-8"
    )
    assert train("--config", path) == TrainConfig(epochs=3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("epoch = 3", "'epoch' is not an option of kseg train; did you mean epochs[?]"),
        ("epochs = 0", "--epochs: '0' "),
        ("size = 'x'", "--size: 'x' "),
        ("epochs", "cannot be read"),
        (
            "[trian]\nepochs = 3",
            r"\[trian\] is not a command of kseg; did you mean train[?]",
        ),
        ("[export]\nhead = 'raw'", r"has options of \[export\] alone, none of kseg tr"),
        ("[train]\nhours = 'two'", "--hours: 'two' is not a number"),
        (
            "[train]\nhour = 2",
            "'hour' is not an option of kseg train; did you mean hou",
        ),
    ],
)
def test_bad_files_are_one_line_that_names_them(tmp_path, text, reason):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"bad.toml: {reason}") as caught:
        train("--config", path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_positional_argument(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        train("--config", tmp_path / "none.toml")
    path = tmp_path / "model.toml"
    path.write_text('model = "RUN"', encoding="utf-8")
    with pytest.raises(InputError, match="'model' is not an option of kseg evaluate"):
        parse(EvaluateConfig, "kseg evaluate", "", ["RUN", "--config", str(path)])


def test_a_run_is_for_training_alone(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"config": {"flip": True}}), encoding="utf-8")
    with pytest.raises(InputError, match="options of a training, .* kseg evaluate"):
        parse(EvaluateConfig, "kseg evaluate", "", ["RUN", "--config", str(path)])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("epochs = [1]", "--epochs: .* is not a number"),
        ("data = 5", "--data: '5' is not text"),
        ("data = 1979-05-27", "--data: '1979-05-27' is not text"),
        ("learning-rate = 1\nlearning_rate = 2", "learning_rate is given twice"),
        ("data = 'a\\u0000b'".replace("'", '"'), "--data: .* has a null character"),
        ("epochs = " + "9" * 20, "--epochs: .* is over 1e[+]06"),
        ("a = " + "[" * 3000, "nested too deeply|cannot be read"),
    ],
)
def test_odd_values_are_one_line(tmp_path, text, reason):
    path = tmp_path / "odd.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason) as caught:
        train("--config", path)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_and_old_names(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("\ufeffmend = true\n", encoding="utf-8")
    config = parse(ExportConfig, "kseg export", "", ["RUN", "--config", str(path)])
    assert config.mixed_precision
