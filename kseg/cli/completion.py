"""Print a script that completes commands, options and files in a shell.

kseg completion bash > ~/.local/share/bash-completion/completions/kseg
kseg completion zsh > ~/.zfunc/_kseg        # a folder of $fpath
kseg completion tcsh > ~/.kseg.tcsh         # source it in ~/.tcshrc
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Optional, Sequence

from edge.app.shipped import SHIPPED
from edge.core.arguments import Parser
from kseg.cli.parser import new_parser
from kseg.core.names import VERBS

SHELLS = ("bash", "zsh", "tcsh")
FILES = ("json", "masks", "record", "stats", "frames_json", "config", "weights")
FOLDERS = ("data", "output", "run", "src", "dir", "truth", "init_from", "merge")


def main(argv: Optional[Sequence[str]] = None) -> None:
    shell = own_parser().parse_args(argv).shell
    import shtab

    print(shtab.complete(all_commands(), shell))


def own_parser() -> Parser:
    """The parser of this command."""
    parser = Parser("kseg completion", (__doc__ or "").strip())
    parser.add_argument(
        "shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS)
    )
    parser.add_help_options("General")
    return parser


def all_commands() -> argparse.ArgumentParser:
    """One parser of all commands, with what completes their values."""
    import shtab

    root = argparse.ArgumentParser(prog="kseg")
    commands = root.add_subparsers(metavar="COMMAND")
    for verb, text in VERBS.items():
        parents = [parser] if (parser := parser_of(verb)) else []
        added = commands.add_parser(verb, parents=parents, add_help=False, help=text)
        for action in added._actions:
            if action.dest == "shipped":  # a name of `kseg live --model`
                action.choices = SHIPPED
            elif action.dest in FOLDERS:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.dest in FILES or not (action.option_strings or action.choices):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return root


def parser_of(verb: str) -> Optional[Parser]:
    """The parser of a command; None for a command that parses its own arguments."""
    if verb == "live":
        from edge.app.camera_options import new_parser as live_parser

        return live_parser("kseg live", "")
    if verb == "completion":
        return own_parser()
    if verb == "benchmark":
        return None
    config = import_module(f"kseg.cli.{verb}").CONFIG
    return new_parser(config, f"kseg {verb}", "")
