"""The options of each of several sources."""

from pathlib import Path

import pytest

from edge.app.camera_options import parse
from edge.app.per_source import options_of, with_name, zones_by_source
from edge.core.errors import InputError
from edge.events.mqtt.broker import Broker

TWO = ["m.tflite", "--source", "a=0", "--source", "1"]


def test_files_and_folders_of_each_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--record", "x.y.mp4", "--masks", "m", "--stats", "s.json"]
    first, second = options_of(parse([*TWO, *words], "", ""))
    assert (first.record, second.record) == (Path("x.y-a.mp4"), Path("x.y-2.mp4"))
    assert (first.masks, second.masks) == (Path("m/a"), Path("m/2"))
    assert first.capture is None and first.stats == second.stats
    (only,) = options_of(parse(["m.tflite", "--source", "a=0", *words], "", ""))
    assert (only.record, only.masks) == (Path("x.y.mp4"), Path("m"))


def test_the_prefix_of_each_source():
    arguments = parse(TWO, "", "")
    arguments.broker = Broker("pi", 1883, prefix="home")
    assert [own.broker.prefix for own in options_of(arguments)] == ["home/a", "home/2"]
    arguments.broker = Broker("pi", 1883)
    prefixes = [own.broker.prefix for own in options_of(arguments)]
    assert all(prefix.startswith("kseg/") for prefix in prefixes)
    assert [prefix.split("/")[2:] for prefix in prefixes] == [["a"], ["2"]]
    arguments.broker = Broker("pi", 1883, prefix="x" * 199)
    with pytest.raises(InputError, match="cannot begin topics"):
        options_of(arguments)


def test_names_keep_their_suffix():
    assert with_name(Path("folder/out"), "a") == Path("folder/out-a")


def test_the_zones_of_each_source(tmp_path):
    words = ["m.tflite", "--source", "a=0", "--source", "b=1"]
    words += ["--zones", "all.json", "--zones", "b=own.json"]
    found = [(own.zones, own.zones_shared) for own in options_of(parse(words, "", ""))]
    assert found == [(Path("all.json"), True), (Path("own.json"), False)]


def test_a_file_that_two_sources_name_is_not_that_of_one():
    """Zones drawn for one of them would replace those of the other."""
    words = [*TWO, "--source", "c=2", "--zones", "a=x.json", "--zones", "2=./x.json"]
    each = options_of(parse([*words, "--zones", "c=y.json"], "", ""))
    assert [own.zones_shared for own in each] == [True, True, False]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["x.json", "y.json"], "--zones y.json: x.json is given too"),
        (["a=x.json", "a=y.json"], "--zones a=y.json: a has x.json too"),
    ],
)
def test_no_file_of_zones_is_left_out_without_a_word(texts, message):
    with pytest.raises(InputError) as error:
        zones_by_source(texts, parse(TWO, "", "").sources)
    assert message in str(error.value)


def test_zones_of_one_source_and_of_all():
    sources = parse(TWO, "", "").sources
    found = zones_by_source(["2=b.json", "x.json", "a=c=d.json"], sources)
    assert found == (Path("x.json"), {"2": Path("b.json"), "a": Path("c=d.json")})
    assert zones_by_source(["a=b.json"], [("", "0")]) == (Path("a=b.json"), {})
    for given in (sources, sources[:1]):
        with pytest.raises(InputError, match="no source gate; there are a"):
            zones_by_source(["gate=b.json"], given)
