"""What is wrong with the text of a rule, in one line with its column."""

from __future__ import annotations

import re
from typing import Any, Collection, Sequence, Set

from edge.core.errors import listed, quoted
from edge.core.suggestions import closest

WORDS = {  # terminals in messages
    **{"_OR": "'or'", "_AND": "'and'", "_FOR": "'for'", "_NOT": "'not'"},
    **{"_OPEN": "'('", "_CLOSE": "')'", "CLOSE": "')'", "_COMMA": "','"},
    "OPERATOR": "one of > >= < <= == !=",
    "DURATION": "a time such as 5 s",
    "PERCENT": "a share such as 30 %",
    "NUMBER": "a number",
    "NAME": "a name",
    "QUOTED": "a name in quotation marks",
    "$END": "the end",
}
LIKE = {"&": "and", "|": "or", "!": "not"}  # signs of other languages
CONNECTIVES = ("and", "or", "not", "for")
NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
TIME = re.compile(NUMBER + r"(?:[ \t]*([^\W\d_]+))?")
NUMBER_BEFORE = re.compile(r"(?<![\w.])" + NUMBER + r"[ \t]*$")
BARE = re.compile(r"[^\W\d][\w-]*")  # a name that needs no quotation marks


class RuleError(ValueError):
    """What is wrong with a rule's text, and at which column, from 1."""

    def __init__(self, column: int, message: str):
        super().__init__(message)
        self.column = column


def syntax_error(text: str, error: Any) -> RuleError:
    """The mistake that Lark's UnexpectedInput is about, in a rule's text."""
    state = getattr(error, "interactive_parser", None)
    token = getattr(error, "token", None)
    at = getattr(error, "pos_in_stream", None)
    if state is None or (token is None and at is None):  # no others are known
        return RuleError(1, str(error).splitlines()[0])
    accepted = set(state.accepts())  # `expected` also has what other texts allow here
    if token is None:
        found, start = text[at], at
    elif token.type == "$END":
        column = len(text) + 1
        return RuleError(column, f"expected {expectation(accepted)}, found the end")
    else:
        found, start = str(token), token.start_pos or 0
    if accepted == {"DURATION"}:
        found = time_at(text, start) or found
    hint = hint_on(text, start, found, accepted)
    return RuleError(
        start + 1, f"expected {expectation(accepted)}, found {quoted(found)}{hint}"
    )


def time_at(text: str, start: int) -> str:
    """A number and the word after it, as if it was a unit; "" without a number.

    >>> time_at("count(a) > 0 for 500 ms", 17), time_at("for 5 and", 4)
    ('500 ms', '5')
    """
    match = TIME.match(text, start)
    if not match:
        return ""
    return match[1] if (match[2] or "").lower() in CONNECTIVES else match[0]


def hint_on(text: str, start: int, found: str, accepted: Collection[str]) -> str:
    """The end of the message, where what was meant can be guessed; else ""."""
    after_number = NUMBER_BEFORE.search(text[:start])
    word = LIKE.get(found[0]) or found.lower()
    if word in CONNECTIVES and WORDS[f"_{word.upper()}"] in map(WORDS.get, accepted):
        return f"; write {word}"
    if accepted == {"DURATION"} or (after_number and found.isalpha()):
        return "; times are written 5 s, 5 min or 5 h"
    if BARE.fullmatch(found) and "_COMMA" in accepted:
        return "; a name of several words is in quotation marks"
    return ""


def expectation(terminals: Set[str]) -> str:
    """What may come, in words.

    >>> expectation({"_OPEN", "_NOT", "NAME"}), expectation({"OPERATOR"})
    ("a measure such as count(person), 'not' or '('", 'one of > >= < <= == !=')
    """
    names = {WORDS[terminal] for terminal in terminals} or {WORDS["$END"]}
    if "NAME" in terminals and "_NOT" in terminals:
        return "a measure such as count(person), 'not' or '('"
    if {"NUMBER", "PERCENT", "DURATION"} <= terminals:
        return "a number, a share such as 30 % or a time such as 5 s"
    if {"NAME", "QUOTED"} <= terminals:
        return "a name (in quotation marks if it is more than one word)"
    listed = sorted(names, key=lambda name: (name == "the end", name))
    return " or ".join([", ".join(listed[:-1]), listed[-1]] if listed[1:] else listed)


def unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """The message on a name that is not known: the closest one, and all of them.

    >>> unknown("zone", "dor", ["frame", "door", "back door"])
    "unknown zone 'dor'; did you mean door? There are frame, door, 'back door'"
    """
    close = closest(name, known)
    meant = f"did you mean {as_written(close)}? There" if close else "there"
    names = listed([as_written(each) for each in known])
    return f"unknown {kind} {quoted(name)}; {meant} are {names}"


def as_written(name: str) -> str:
    """A name as a rule has it: in quotation marks if it is more than one word.

    >>> print(as_written("car"), as_written("it's"))
    car 'it\\'s'
    """
    if BARE.fullmatch(name):
        return name
    protected = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{protected}'"
