"""List what keeps .tflite files from running on devices, or from running fast.

  kseg check model.tflite

It checks any .tflite file, also those of other programs. The exit status is 3 for a
file that no interpreter can run.
"""

from __future__ import annotations

from typing import Optional, Sequence

from edge.core.log import say
from kseg.cli.parser import parse
from kseg.core.configs import CheckConfig

CONFIG = CheckConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(CONFIG, "kseg check", __doc__, argv)
    check_files(config.check, config.json)


def check_files(paths: Sequence[str], json: str) -> None:
    """Checks files and prints a table for each.

    Raises GateFailed for an error in a file, InputError for a file that cannot be read;
    the other files are still shown.
    """
    from kseg.cli.tables import lint_table, write_result
    from kseg.deploy.lint.rules import as_json, check, refuse

    findings, refusals = check(paths)
    write_result(json, as_json(findings))
    if json != "-" and findings:
        print(lint_table(findings))
    for refusal in refusals[1:]:
        say(str(refusal))
    if refusals:
        raise refusals[0]
    refuse(findings)
