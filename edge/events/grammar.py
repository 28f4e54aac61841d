"""The grammar of rules, and their texts to conditions.

It needs Lark, an optional dependency without dependencies of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Mapping, Optional, Sequence

from edge.core.errors import InputError, quoted
from edge.events.conditions import Both, Comparison, Condition, Held, Not, Quantity
from edge.events.mistakes import RuleError, syntax_error, unknown
from edge.zones.measures import DWELL, ENTERED, LEFT, MEAN_DWELL, SHARE
from edge.zones.zone import FRAME

# "for" binds closer than "and", which binds closer than "or"; "not" binds closest.
GRAMMAR = r"""
?condition: conjunction | conjunction (_OR conjunction)+    -> either
?conjunction: timed | timed (_AND timed)+                   -> all
?timed: negation | negation _FOR DURATION                   -> held
?negation: primary | _NOT negation                          -> negated
?primary: comparison | _OPEN condition _CLOSE
comparison: quantity OPERATOR (NUMBER | PERCENT | DURATION)
quantity: NAME _OPEN _name (_COMMA _name)? (_COMMA DURATION)? CLOSE
_name: NAME | QUOTED

_OR: "or"
_AND: "and"
_FOR: "for"
_NOT: "not"
_OPEN: "("
_CLOSE: ")"
CLOSE: ")"
_COMMA: ","
OPERATOR: ">=" | "<=" | "==" | "!=" | ">" | "<"
DURATION.3: /(\d+(\.\d*)?|\.\d+)[ \t]*(seconds?|secs?|s|minutes?|min|hours?|h)\b/
PERCENT.2: /(\d+(\.\d*)?|\.\d+)[ \t]*%/
NUMBER: /\d+(\.\d*)?|\.\d+/
NAME: /[^\W\d][\w-]*/
QUOTED: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/
%ignore /\s+/
"""
CROSSINGS = (ENTERED, LEFT)
UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}  # by the first letter of the unit
LONGEST = 2000  # characters of a rule
DEEPEST = 50  # parentheses and "not" in each other

Find = Callable[[str], Optional[str]]


@dataclass(frozen=True)
class Vocabulary:
    """The words that rules may use.

    `measures` has each measure, and why it cannot be used here, or "". `find_class`
    gives the model's spelling of a class name, None for an unknown one; `classes` are
    their names for messages.
    """

    measures: Mapping[str, str]
    zones: Sequence[str]
    find_class: Find
    classes: Sequence[str]


def parse_condition(text: str, vocabulary: Vocabulary) -> Condition:
    """Parse the text of a rule. Raises RuleError for one that cannot be understood."""
    if len(text) > LONGEST or max(text.count("("), text.count("not")) > DEEPEST:
        raise RuleError(1, "is too long for a rule; write several rules")
    return Builder(text, vocabulary).condition(tree_of(text))


@lru_cache(maxsize=1)
def parser() -> Any:
    """The parser. Raises InputError without Lark."""
    try:
        from lark import Lark
    except ImportError:
        raise InputError("rules need Lark; pip install 'lark>=1.2,<2'") from None
    return Lark(GRAMMAR, parser="lalr", start="condition", keep_all_tokens=False)


def tree_of(text: str) -> Any:
    """The tree of a rule's text, as Lark gives it."""
    parse = parser().parse
    from lark.exceptions import UnexpectedInput

    try:
        return parse(text)
    except UnexpectedInput as error:
        raise syntax_error(text, error) from None


class Builder:
    """Makes conditions of a tree; `text` is the rule's, for the texts of quantities."""

    def __init__(self, text: str, vocabulary: Vocabulary):
        self.text, self.vocabulary = text, vocabulary

    def condition(self, tree: Any) -> Condition:
        parts = tree.children
        if tree.data == "comparison":
            return self._comparison(*parts)
        if tree.data == "held":
            return Held(self.condition(parts[0]), seconds_of(parts[1]))
        if tree.data == "negated":
            return Not(self.condition(parts[0]))
        either = tree.data == "either"
        return Both(tuple(map(self.condition, parts)), either)

    def _comparison(self, quantity: Any, operator: Any, value: Any) -> Comparison:
        found = self._quantity(*quantity.children)
        return Comparison(found, str(operator), threshold(found.measure, value))

    def _quantity(self, measure: Any, *rest: Any) -> Quantity:
        *names, close = rest
        known = self.vocabulary.measures
        if str(measure) not in known:
            message = unknown("measure", str(measure), list(known))
            raise RuleError(column_of(measure), message)
        if known[measure]:
            raise RuleError(column_of(measure), known[measure])
        window = seconds_of(names.pop()) if names[-1].type == "DURATION" else None
        name = self._class(names[0])
        zone = self._zone(names[1]) if len(names) > 1 else FRAME
        if window and measure not in CROSSINGS:
            raise RuleError(
                column_of(close),
                f"only {' and '.join(CROSSINGS)} have a time; leave it out",
            )
        if zone == FRAME and measure in CROSSINGS:
            raise RuleError(
                column_of(measure),
                f"nothing crosses the edge of the whole frame; name a zone: "
                f"{measure}(CLASS, ZONE)",
            )
        written = self.text[measure.start_pos : close.end_pos]
        text = " ".join(written.split())
        return Quantity(str(measure), name, zone, text, window)

    def _class(self, token: Any) -> str:
        given = name_of(token)
        found = self.vocabulary.find_class(given)
        if found is None:
            message = unknown("class", given, self.vocabulary.classes)
            raise RuleError(column_of(token), message)
        return found

    def _zone(self, token: Any) -> str:
        given = name_of(token)
        if given not in self.vocabulary.zones:
            message = unknown("zone", given, self.vocabulary.zones)
            raise RuleError(column_of(token), message)
        return given


def column_of(token: Any) -> int:
    """Where a token begins, from 1, also in a text of several lines."""
    return token.start_pos + 1


def name_of(token: Any) -> str:
    """The name that a token is; in quotation marks a backslash protects a character."""
    text = str(token)
    if token.type != "QUOTED":
        return text
    parts = text[1:-1].split("\\\\")
    return "\\".join(part.replace("\\", "") for part in parts)


def seconds_of(token: Any) -> float:
    """A time in seconds."""
    number = str(token).rstrip("abcdefghijklmnopqrstuvwxyz").strip()
    unit = str(token)[len(number) :].strip()
    return float(number) * UNIT_SECONDS[unit[0]]


def threshold(measure: str, token: Any) -> float:
    """The value that a measure is compared with. Raises RuleError for a wrong kind."""
    time = measure in (DWELL, MEAN_DWELL)
    if token.type == "DURATION" and time:
        return seconds_of(token)
    if token.type == "PERCENT" and measure == SHARE:
        value = float(str(token).rstrip("% \t")) / 100
    elif token.type == "NUMBER":
        value = float(token)
    else:
        raise wrong_value(measure, token)
    if value > 1 if measure == SHARE else value % 1 and not time:
        raise wrong_value(measure, token)
    return value


def wrong_value(measure: str, token: Any) -> RuleError:
    """The error of a value that a measure never has."""
    kind = "a whole number such as 3"
    if measure == SHARE:
        kind = "a share from 0 to 1, or 0 to 100 %"
    if measure in (DWELL, MEAN_DWELL):
        kind = "a time such as 30 s"
    return RuleError(
        column_of(token),
        f"{measure} is compared with {kind}, found {quoted(str(token))}",
    )
