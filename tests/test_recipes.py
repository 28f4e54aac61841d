"""Every recipe is one that `kseg train --config` takes."""

import shutil
import tomllib
from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.cli.parser import parse_given
from kseg.core.checks import check_train
from kseg.core.configs import TrainConfig
from kseg.core.options import refuse_unused
from kseg.core.task_defaults import for_task
from kseg.training.losses.segmentation import SegmentationLoss

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))


def given_by(recipe: Path, *argv: str) -> tuple[TrainConfig, set[str]]:
    return parse_given(TrainConfig, "kseg train", "", ["--config", str(recipe), *argv])


def test_there_are_recipes():
    assert {"camvid", "camvid_scratch"} <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_training_whose_options_all_have_an_effect(recipe):
    config, given = given_by(recipe)
    assert list(tomllib.loads(recipe.read_text(encoding="utf-8"))) == ["train"]
    refuse_unused(config, given)
    check_train(config)
    assert for_task(config, given, "semantic") == TrainConfig(
        **{name: getattr(config, name) for name in given}, task="semantic"
    )
    SegmentationLoss(config.loss)  # raises ValueError for a loss that is none


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_says_why_and_how_it_is_used(recipe):
    text = recipe.read_text(encoding="utf-8")
    assert f"kseg train --config recipes/{recipe.name}\n" in text
    own = ("output", "model", "optimizer", "weights", "[")
    for line in text.splitlines():
        assert len(line) <= 90
        if line and not line.startswith(("#", *own)):
            assert "  # " in line, line


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_data_and_time_are_the_users(recipe):
    config, given = given_by(recipe, "--data", "streets", "--hours", "2")
    assert config.data == "streets" and not Path(config.output).is_absolute()
    # The recipe's epochs stay the limit.
    assert for_task(config, given, "semantic").epochs == given_by(recipe)[0].epochs


def test_the_recipe_of_camvid():
    config = given_by(RECIPES[0])[0]
    assert (config.encoder, config.weights) == ("mobilenetv2", "imagenet")
    assert config.size == (352, 480) and config.loss == "ce+dice"


def test_a_key_with_a_typing_error_is_one_line_with_the_right_one(tmp_path):
    path = tmp_path / "camvid.toml"
    shutil.copy(RECIPES[0], path)
    text = path.read_text(encoding="utf-8").replace("rare_crops =", "rare_crop =")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="'rare_crop' is not .* mean rare_crops[?]$"):
        given_by(path)
