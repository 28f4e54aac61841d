"""Converts a trained run to TFLite and measures what that cost.

    python -m kseg.export saved_models/RUN --quantize float32,int8 --max-drop 0.02
    python -m kseg.export --check any.tflite

The run folder gets one .tflite per scheme, each with its class names and colours
inside, and parity.json: every file against the Keras model on the validation images.
Where int8 hurts, --explain shows which layer, and --mend keeps the worst in float.
"""

from __future__ import annotations

from typing import Optional, Sequence

from edge.core.errors import InputError
from edge.core.log import say
from kseg.cli.parser import parse_given
from kseg.cli.tables import parity_table, write_result
from kseg.core.configs import ExportConfig
from kseg.core.options import refuse_unused
from kseg.deploy.export import export
from kseg.deploy.parity import check_gate
from kseg.evaluation.loop import MIXED


def main(argv: Optional[Sequence[str]] = None) -> None:
    config, given = parse_given(ExportConfig, "kseg.export", __doc__, argv)
    refuse_unused(config, given)
    if config.check:
        return check(config)
    if not config.run:
        raise InputError("name a run folder, or .tflite files to --check")
    done = export(config)
    write_result(config.json, done.parity)
    if config.json != "-":
        if done.layers:
            print(f"{done.layers}\n")
        print(parity_table(done.parity, done.size, done.mean_iou))
    check_gate(done.parity, config.max_drop)
    if config.json != "-":
        offered = (done.files.get(name) for name in (MIXED, "int8"))
        best = next(filter(None, offered), next(iter(done.files.values())))
        print(f"\nNext:\n  python edge/camera_demo.py {best} --source 0")


def check(config: ExportConfig) -> None:
    """Says what is wrong with files of anyone's.

    Raises GateFailed for an error, InputError for a file that cannot be read; the
    others are shown all the same.
    """
    from kseg.cli.tables import lint_table
    from kseg.deploy.lint import rules
    from kseg.deploy.lint.rules import as_json, refuse

    if config.run:
        raise InputError(f"{config.run}: --check takes files alone, RUN is exported")
    findings, refusals = rules.check(config.check)
    write_result(config.json, as_json(findings))
    if config.json != "-" and findings:
        print(lint_table(findings))
    for refusal in refusals[1:]:
        say(str(refusal))
    if refusals:
        raise refusals[0]
    refuse(findings)
