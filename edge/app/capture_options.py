"""The options of frames that are kept for labelling."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.core.arguments import Parser, positive
from edge.core.errors import InputError

if TYPE_CHECKING:
    from edge.app.capture_rule import Every

TITLE = "Frames for labelling"
LIMIT = 200  # images in the folder


def every(text: str) -> Every:
    """Parse `--every`, for `type=`; NumPy is imported only if it is given."""
    from edge.app.capture_rule import parse_every

    return parse_every(text)


def check_capture(arguments: argparse.Namespace, no_window: bool) -> None:
    """Raises InputError for --capture that can keep nothing: no key, page or rule."""
    served = bool(arguments.serve)
    if arguments.capture and not arguments.every and no_window and not served:
        raise InputError(
            f"--capture {arguments.capture}: without a window there is no key c to "
            "keep frames; add --every 10s, --every uncertain, or --serve, whose page "
            "has a button for it"
        )


def add_capture(parser: Parser) -> None:
    """Add the options."""
    add = partial(parser.option, TITLE)
    add(
        "--capture",
        type=Path,
        metavar="DIR",
        help="keep frames as the camera gave them: with the key c, a button of the "
        "page of --serve, or as --every says",
    )
    add(
        "--every",
        type=every,
        metavar="10s|uncertain",
        help="keep one each 10s, 5m or 1h; or those the model is uncertain about, at "
        "least 10 seconds apart; uncertain,60s: a minute",
    )
    add(
        "--capture-limit",
        type=positive,
        metavar="N",
        help=f"images in DIR from which on --every keeps no more (default {LIMIT})",
    )
