"""What is said about a data folder that is ready, and which options have no effect."""

import pytest

from edge.core.errors import InputError
from kseg.core.configs import PrepareConfig
from kseg.data.formats.convert import check_split_options, next_step
from kseg.data.formats.source import SourceDataset


def test_next_step(tmp_path):
    folder = tmp_path / "my data"
    train = f"is ready; next: kseg train --data '{folder}'"
    assert next_step(folder, {"train": 2, "val": 1}) == train
    assert next_step(folder, {"val": 1, "test": 1}) == (
        "is ready, without a train split (val and test alone); next: "
        f"kseg evaluate saved_models/RUN --data '{folder}' --split val"
    )


@pytest.mark.parametrize("splits", ({"val": [1]}, {"test": [1]}, {"train": [1]}))
def test_a_share_without_effect_is_refused(splits):
    config, export = PrepareConfig("a", "b", seed=3), SourceDataset(False)
    export.splits.update(splits)
    if "train" in splits:
        check_split_options(config, export)
    else:
        with pytest.raises(InputError, match="--seed: has no effect: a has"):
            check_split_options(config, export)
