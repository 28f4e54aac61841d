import json

import pytest

from benchmarks.__main__ import main
from benchmarks.sliding import sliding_table
from edge.core.errors import InputError


def test_sliding_gives_the_scores_of_the_twin(data_folder, capsys):
    arguments = ["sliding", "--data", str(data_folder), "--rounds", "1"]
    main([*arguments, "--json", "-"])
    figures = json.loads(capsys.readouterr().out)
    # Of 64x80 the sides 46 + 2 * 8 and 46 + 4 * 8: three by five patches.
    assert figures["size"] == [62, 78] and figures["patches"] == 15
    assert 0 <= figures["largest_difference"] < 1e-4
    ratio = figures["sliding_millis"] / figures["convolution_millis"]
    assert figures["times_faster"] == pytest.approx(ratio, rel=0.1, abs=0.1)


def test_sliding_table_names_each_figure():
    text = sliding_table(
        {
            "size": (62, 78),
            "patches": 15,
            "sliding_millis": 18.84,
            "convolution_millis": 2.9,
            "times_faster": 6.5,
            "largest_difference": 2.04e-06,
        }
    )
    assert text.startswith("15 patches of a 62x78 picture\n")
    for shown in (" 18.8 ms", " 2.9 ms", " 6.5\n", " 2.0e-06"):
        assert shown in text


def test_an_option_of_another_benchmark_is_refused():
    line = "--batch-size: does nothing with resume; it is for architectures, train"
    with pytest.raises(InputError, match=line):
        main(["resume", "--batch-size", "4"])
