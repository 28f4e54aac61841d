import dataclasses
import json
from pathlib import Path

import pytest

from edge.core.errors import InputError
from kseg.cli.parser import new_parser, parse
from kseg.core.configs import (
    DoctorConfig,
    EvaluateConfig,
    ExportConfig,
    PredictConfig,
    PrepareConfig,
    ReportConfig,
    SummaryConfig,
    TrainConfig,
    from_record,
    to_record,
)
from kseg.core.names import (
    ENCODER_NAMES,
    HEADS,
    LOSS_NAMES,
    MODEL_NAMES,
    OWN_LAYERS,
    SCHEMES,
    UPSAMPLINGS,
)

PROGRAM = "kseg something"
DOC = """Does something.

  kseg something --data DIR

With these options:
"""

# Each command's options and the least that its line must hold.
COMMANDS = (
    (TrainConfig, []),
    (EvaluateConfig, ["RUN"]),
    (ReportConfig, ["RUN"]),
    (PredictConfig, ["RUN", "a.jpg", "b.jpg"]),
    (PrepareConfig, ["SRC"]),
    (ExportConfig, []),  # RUN, or --check FILE
    (SummaryConfig, []),
    (DoctorConfig, ["DIR"]),
)
each_command = pytest.mark.parametrize("cls, least", COMMANDS)


def train(*argv):
    return parse(TrainConfig, PROGRAM, DOC, argv)


def export(*argv):
    return parse(ExportConfig, PROGRAM, DOC, ["RUN", *argv])


def refusal(cls, *argv):
    """What the command says to a line that does not fit."""
    with pytest.raises(InputError) as caught:
        parse(cls, PROGRAM, DOC, argv)
    message = str(caught.value)
    assert "\n" not in message
    return message


@each_command
def test_defaults_parse(cls, least):
    config = parse(cls, PROGRAM, DOC, least)
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            assert getattr(config, field.name) == field.default


@each_command
def test_help_all_explains_every_option(cls, least, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(cls, PROGRAM, DOC, ["--help-all"])
    assert not ended.value.code
    text = capsys.readouterr().out
    assert DOC.strip() in text
    for field in dataclasses.fields(cls):
        dashed = f"--{field.name.replace('_', '-')}"
        name = field.name.upper() if field.metadata.get("positional") else dashed
        assert name in text


@each_command
def test_help_shows_the_basic_options_and_says_how_many_there_are(cls, least, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(cls, PROGRAM, DOC, ["--help"])
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[0].strip(",") for line in lines if line.startswith("  -")}
    basic = {
        f"--{field.name.replace('_', '-')}"
        for field in dataclasses.fields(cls)
        if field.metadata["basic"] and not field.metadata.get("positional")
    }
    assert shown == {*basic, "--config", "-h", "--help-all"}
    assert len(shown) < 27
    advanced = (
        len(dataclasses.fields(cls))
        - len(basic)
        - sum(
            field.metadata.get("positional", False) for field in dataclasses.fields(cls)
        )
    )
    footer = (
        f"{len(shown) + advanced} options, {len(shown)} shown; --help-all shows all"
    )
    assert lines[-1].startswith(footer) == bool(advanced)


def test_groups_are_in_the_order_of_the_table(capsys):
    with pytest.raises(SystemExit):
        train("--help")
    lines = capsys.readouterr().out.splitlines()
    titles = [line for line in lines if line.endswith(":") and line[0].isupper()]
    assert titles[-7:] == [
        *("Data:", "Network:", "Training:", "Loss:", "Augmentation:", "Run:"),
        "General:",
    ]


def test_an_old_spelling_is_accepted_and_not_shown(capsys):
    assert export("--mend").mixed_precision
    with pytest.raises(SystemExit):
        export("--help-all")
    assert "--mend" not in capsys.readouterr().out


def test_defaults_of_training():
    assert train() == TrainConfig()


def test_positional_arguments():
    config = parse(
        PredictConfig, PROGRAM, DOC, ["RUN", "a.jpg", "folder", "--threads", "2"]
    )
    assert config.model == "RUN"
    assert config.images == ("a.jpg", "folder")
    assert config.threads == 2


def test_a_positional_argument_with_a_default_may_be_left_out():
    assert parse(SummaryConfig, PROGRAM, DOC, ["--width", "4"]).model == ""
    assert parse(SummaryConfig, PROGRAM, DOC, ["unet", "--width", "4"]).model == "unet"


def test_files_to_check():
    config = parse(
        ExportConfig, PROGRAM, DOC, ["--check", "a.tflite", "b.tflite", "--json=-"]
    )
    assert (config.run, config.check) == ("", ("a.tflite", "b.tflite"))


@pytest.mark.parametrize("cls", [cls for cls, least in COMMANDS if least])
def test_positional_arguments_are_needed(cls):
    assert "required" in refusal(cls)


@pytest.mark.parametrize("text", ("360x480", "360X480"))
def test_size_is_height_then_width(text):
    assert train("--size", text).size == (360, 480)


@pytest.mark.parametrize("text", ("360", "x480", "0x480", "360x-1", "axb", "1x2x3"))
def test_sizes_refused(text):
    message = refusal(TrainConfig, f"--size={text}")
    assert repr(text) in message
    assert "360x480" in message  # how to write it


@pytest.mark.parametrize(
    "cls, line, known",
    (
        (TrainConfig, ["--model", "nothing"], MODEL_NAMES),
        (TrainConfig, ["--encoder", "nothing"], ENCODER_NAMES),
        (ExportConfig, ["RUN", "--head", "nothing"], HEADS),
        (ExportConfig, ["RUN", "--quantize", "nothing"], SCHEMES),
    ),
)
def test_unknown_choice_lists_the_names(cls, line, known):
    message = refusal(cls, *line)
    assert "nothing" in message
    assert all(choice in message for choice in known)


@pytest.mark.parametrize(
    "argv",
    (
        ["--epochs=-1"],
        ["--epochs", "1.5"],
        ["--batch-size", "many"],
        ["--learning-rate=-0.1"],
        ["--learning-rate", "nan"],
        ["--learning-rate", "inf"],
        ["--seed", "x"],
        ["--nothing"],
        ["stray"],
    ),
    ids=" ".join,
)
def test_what_does_not_fit_is_refused_in_one_line(argv):
    assert "--help" in refusal(TrainConfig, *argv)


def test_numbers():
    config = train("--epochs", "3", "--learning-rate", "3e-3", "--max-side", "512")
    assert (config.epochs, config.learning_rate, config.max_side) == (3, 0.003, 512)


def test_switches():
    assert train().flip
    assert train("--flip").flip
    assert not train("--no-flip").flip
    assert not train().overwrite
    assert train("--overwrite").overwrite


@pytest.mark.parametrize(
    "text, names",
    (
        ("int8", ("int8",)),
        ("int8,float32", ("int8", "float32")),
        ("int8,int8", ("int8",)),
    ),
)
def test_comma_lists(text, names):
    assert export("--quantize", text).quantize == names


@pytest.mark.parametrize("text", ("", "int8,", "int8,nothing", "int8 float32"))
def test_comma_lists_refused(text):
    message = refusal(ExportConfig, "RUN", f"--quantize={text}")
    assert all(scheme in message for scheme in SCHEMES)


def test_names_on_offer_are_those_of_the_registries():
    from kseg.deploy.conversion import tflite
    from kseg.models import MODELS, has_encoder
    from kseg.models.encoders import ENCODERS
    from kseg.models.layers import upsampling
    from kseg.training.losses.segmentation import LOSSES

    assert set(MODEL_NAMES) == set(MODELS)
    assert set(LOSS_NAMES) == set(LOSSES)
    assert set(ENCODER_NAMES) == set(ENCODERS)
    assert set(OWN_LAYERS) == {name for name in MODELS if not has_encoder(name)}
    assert set(UPSAMPLINGS) == {*upsampling.UPSAMPLINGS, "unpool"}
    assert set(SCHEMES) == set(tflite.SCHEMES)


@pytest.mark.parametrize(
    "config",
    (
        TrainConfig(),
        TrainConfig(size=(360, 480), flip=False, learning_rate=0.5, data="a/b"),
        ExportConfig("RUN", quantize=("int8",), size=(32, 64)),
        PredictConfig("RUN", ("a.jpg", "b.jpg"), threads=2),
    ),
    ids=lambda config: type(config).__name__,
)
def test_record_round_trip(config):
    record = json.loads(json.dumps(to_record(config)))
    assert from_record(type(config), record) == config


def test_record_of_another_version():
    record = {**to_record(TrainConfig(epochs=7)), "of_tomorrow": [1, 2]}
    del record["color"]
    assert from_record(TrainConfig, record) == TrainConfig(epochs=7)


@pytest.mark.parametrize(
    "config, folder",
    (
        (TrainConfig(), "saved_models/shapes-unet-plain"),
        (
            TrainConfig(data="some/photos", model="fcn8s", encoder="mobilenetv2"),
            "saved_models/photos-fcn8s-mobilenetv2",
        ),
        (TrainConfig(data="photos/"), "saved_models/photos-unet-plain"),
        (TrainConfig(data="photos", output="runs/one"), "runs/one"),
    ),
)
def test_run_folder(config, folder):
    assert config.run_folder == Path(folder)


def test_run_folder_of_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    expected = Path("saved_models/photos-unet-plain")
    assert TrainConfig(data=".").run_folder == expected


@pytest.mark.parametrize(
    "batch_size, share, images", ((8, 1.0, 8), (8, 0.5, 16), (2, 0.3, 7), (1, 0.9, 1))
)
def test_images_per_step_make_up_for_pixels_left_out(batch_size, share, images):
    config = TrainConfig(batch_size=batch_size, loss_share=share)
    assert config.images_per_step == images


@pytest.mark.parametrize("name", ("--noise", "--cutout", "--rare-crops"))
@pytest.mark.parametrize("text", ("1.5", "-0.1", "nan", "half"))
def test_shares_are_from_0_to_1(name, text):
    message = refusal(TrainConfig, f"{name}={text}")
    assert name in message and repr(text) in message
    assert train(name, "1").run_folder == train(name, "0").run_folder


@pytest.mark.parametrize("share", (0.0, 1.5, -0.5))
def test_share_of_the_loss_is_over_0_and_at_most_1(share):
    with pytest.raises(InputError, match=f"--loss-share {share}: [^\n]*$"):
        _ = TrainConfig(loss_share=share).images_per_step


def test_an_output_that_is_a_file_is_called_one():
    kinds = {TrainConfig: "DIR", ReportConfig: "FILE"}
    for cls, kind in kinds.items():
        assert f"  --output {kind} " in new_parser(cls, "kseg x", None).format_help()


def test_a_list_of_names_that_is_typed_empty_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        parse(TrainConfig, PROGRAM, DOC, ["--data", "d", "--teacher", ""])
    assert str(caught.value) == "--teacher: is empty; give a name, or leave it out"
    assert parse(TrainConfig, PROGRAM, DOC, ["--data", "d"]).teacher == ()
