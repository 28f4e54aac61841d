import pytest

from kseg.training.progress_bar import ProgressBar

HEADLINE = "box_ap"


def test_the_bar_shows_the_headline(capsys):
    with ProgressBar(2, 0, 1, [HEADLINE]) as shown:
        shown.on_epoch_begin(0)
        values = {"loss": 0.5, f"val_{HEADLINE}": 0.25, "val_mean_iou": 0.75}
        shown.on_epoch_end(0, values)
    log = capsys.readouterr().err
    assert f"loss 0.5000  val_{HEADLINE} 0.2500" in log and "0.75" not in log


@pytest.mark.parametrize("done, where", [(3, ", step 3 of 4"), (4, "")])
def test_the_line_of_an_interrupted_epoch_says_so(done, where, capsys):
    with ProgressBar(4, 0, 2, []) as progress:
        progress.on_epoch_begin(0)
        for step in range(done):
            progress.on_train_batch_end(step)
        progress.on_epoch_end(0, {"loss": 0.5})
    assert f"epoch   1{where}  loss 0.5000" in capsys.readouterr().err


def test_a_resumed_epoch_is_counted_from_its_first_step(capsys):
    with ProgressBar(4, 6, 2, []) as progress:
        progress.on_epoch_begin(1)
        for step in range(2):
            progress.on_train_batch_end(step)
        progress.on_epoch_end(1, {"loss": 0.5})
    assert "epoch   2  loss 0.5000" in capsys.readouterr().err
