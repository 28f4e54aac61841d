"""Convert a run to TFLite or ONNX and measure the accuracy it costs.

  kseg export saved_models/RUN --quantize float32,int8 --max-drop 0.02

The run folder gets a file for each scheme, with class names and colours inside, and
parity.json: each file against the Keras model on the validation images. If int8 loses
too much, --explain shows which layers cause it, and --mixed-precision keeps those in
float.
"""

from __future__ import annotations

from typing import Optional, Sequence

from edge.core.errors import GateFailed, InputError
from kseg.cli.check import check_files
from kseg.cli.parser import parse_given
from kseg.cli.tables import parity_table, write_result
from kseg.core.configs import ExportConfig
from kseg.core.options import refuse_unused
from kseg.core.results import Exported
from kseg.core.text import command

CONFIG = ExportConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(CONFIG, "kseg export", __doc__, argv)
    refuse_unused(config, given)
    if config.check:
        if config.run:
            raise InputError(f"{config.run}: give a run folder or --check, not both")
        return check_files(config.check, config.json)
    if not config.run:
        raise InputError("give a run folder; kseg train writes one")
    from kseg.api import export

    try:
        done = export(config=config)
    except GateFailed as failure:
        if failure.result:
            show(failure.result, config)
        raise
    show(done, config)
    if config.json != "-":
        print(f"\nNext:\n  {command('live', best_of(done), '--source', 0)}")


def show(done: Exported, config: ExportConfig) -> None:
    """The result as JSON and as tables."""
    write_result(config.json, done.parity)
    if config.json == "-":
        return
    if done.layers:
        print(f"{done.layers}\n")
    print(parity_table(done.parity, done.size, done.trained))


def best_of(done: Exported) -> str:
    """The file for the camera: mixed precision, else int8, else the first."""
    from kseg.evaluation.loop import MIXED

    offered = (done.files.get(name) for name in (MIXED, "int8"))
    return str(next(filter(None, offered), next(iter(done.files.values()))))
