"""Command blocks of README and docs: which there are, and whether commands parse."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.core.arguments import Parser
from kseg.cli.entry import VERBS

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?:<!-- not run: ([^\n]+) -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S
)
SHELL = ("sh", "bash", "console")
# How a command of others may begin.
OTHERS = (
    *("bash", "cd", "cp", "curl", "docker", "echo", "export", "exit", "grep"),
    *("journalctl", "pip", "python3"),
    *("rpicam-hello", "scp", "scontrol", "sudo", ".", "[", "mediapipe-env/bin/pip"),
    *("/usr/src/tensorrt/bin/trtexec", "python -c", "python -m pytest"),
)
PREFIX = re.compile(r"^(?:\w+=\S+ +|srun --\S+ +|taskset -c \d +)*")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    reason: str  # why it is not run, or ""


class Parsed(Exception):
    """Raised in place of what a command does, once it has read its options."""

    def __init__(self, parser: Parser):
        super().__init__(parser.prog)
        self.parser = parser


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        reason, language, body = found.groups()
        line = text.count("\n", 0, found.start(2)) + 1
        yield Block(page, line, language, body, reason or "")


def lines(block: Block) -> list[str]:
    """The command lines of a shell block, without comments and output.

    >>> lines(Block(Path(), 1, "console", "$ kseg info  # versions\\nkseg 0.1.0", ""))
    ['kseg info']
    """
    text = block.text.replace("\\\n", " ")
    found = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines()]
    if block.language == "console":
        found = [line[2:] for line in found if line.startswith("$ ")]
    return [line for line in found if line]


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a line, without variables and launchers.

    >>> list(commands("KERAS_BACKEND=jax kseg train --data a && kseg info"))
    [['kseg', 'train', '--data', 'a'], ['kseg', 'info']]
    """
    for part in re.split(r"&&|\||&$", re.sub(r"\$\(.*?\)", "", line)):
        words = shlex.split(PREFIX.sub("", part.strip()))
        if words and not re.match(r"\w+=", words[0]):
            yield words


def entry_of(words: list[str]) -> Any:
    """The function and arguments that a command line of kseg calls; None of others.

    This is where the test follows how commands start.
    """
    if words[:2] == ["python", "-m"] and words[2] != "pytest":
        words = [*words[2].split("."), *words[3:]]
    if words[0] == "python" and words[1].startswith(("edge/", "benchmarks/")):
        module = {
            "edge/camera_demo.py": "edge.app.camera",
            "edge/benchmark.py": "edge.app.benchmark",
            "benchmarks/mediapipe.py": "benchmarks.mediapipe",
        }[words[1]]
        return import_module(module).main, words[2:]
    if words[0] == "benchmarks" or words[:2] == ["kseg", "benchmark"]:
        from benchmarks.__main__ import main

        return main, words[1:] if words[0] == "benchmarks" else words[2:]
    if words[0] != "kseg":
        return None
    assert words[1] in VERBS, f"kseg {words[1]}: is not a command"
    return import_module(f"kseg.cli.{words[1]}").main, words[2:]


def parser_of(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The parser that read a command line of kseg; None for commands of others.

    Raises InputError for options and values that it does not take.
    """
    found = entry_of(words)
    if found is None:
        known = any(" ".join(words).startswith(name) for name in OTHERS)
        assert known, f"{words[0]}: is not a known command"
        return None
    read = Parser.parse_args

    def parse_args(self: Parser, *given: Any) -> None:
        read(self, *given)
        raise Parsed(self)

    with monkeypatch.context() as patch:
        patch.setattr(Parser, "parse_args", parse_args)
        try:
            found[0](found[1])
        except Parsed as parsed:
            return parsed.parser
    raise AssertionError(f"{shlex.join(words)}: reads no options")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
