"""Rules as text: what they mean, and what is said of mistakes."""

import pytest

from edge.events.conditions import Both, Comparison, Held, Not, Quantity
from edge.events.grammar import Vocabulary, parse_condition
from edge.events.mistakes import RuleError
from edge.zones.measures import OF_OBJECTS, SHARE

CLASSES = ("smoke", "person", "traffic light", "car, parked", 'say "hi"', "for", "s")
WORDS = Vocabulary(
    measures={SHARE: "", **dict.fromkeys(OF_OBJECTS, "")},
    zones=("frame", "door", "back door"),
    find_class=lambda name: name if name in CLASSES else None,
    classes=CLASSES,
)
SMOKE = Comparison(Quantity("share", "smoke", "door", "share(smoke, door)"), ">", 0.3)
PERSON = Comparison(Quantity("count", "person", "frame", "count(person)"), "==", 0)


def parsed(text):
    return parse_condition(text, WORDS)


def test_the_examples_of_the_documentation():
    assert parsed("share(smoke, door) > 0.3 for 5 s") == Held(SMOKE, 5.0)
    assert parsed("count(person) == 0 for 60 s") == Held(PERSON, 60.0)
    dwell = parsed("dwell(person, door) > 30 s")
    assert (dwell.quantity.measure, dwell.threshold) == ("dwell", 30)
    entered = parsed("entered(person, door, 1 min) >= 3")
    assert (entered.quantity.window, entered.threshold) == (60, 3)
    assert entered.quantity.text == "entered(person, door, 1 min)"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        # "for" binds closer than "and", "and" closer than "or", "not" closest.
        ("{s} and {p} for 2 s", Both((SMOKE, Held(PERSON, 2.0)))),
        ("({s} and {p}) for 2 s", Held(Both((SMOKE, PERSON)), 2.0)),
        ("{s} or {p} and {s}", Both((SMOKE, Both((PERSON, SMOKE))), either=True)),
        ("({s} or {p}) and {s}", Both((Both((SMOKE, PERSON), either=True), SMOKE))),
        ("not {s} for 2 s", Held(Not(SMOKE), 2.0)),
        ("not ({s} for 2 s)", Not(Held(SMOKE, 2.0))),
        ("not not {s}", Not(Not(SMOKE))),
        ("{s} and {p} and {s}", Both((SMOKE, PERSON, SMOKE))),
        ("({s} for 1 s) for 2 s", Held(Held(SMOKE, 1.0), 2.0)),
    ],
)
def test_what_binds_closer(text, tree):
    written = {"s": "share(smoke, door) > 0.3", "p": "count(person) == 0"}
    assert parsed(text.format(**written)) == tree


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("share(smoke) > 30 %", 0.3),
        ("share(smoke) > 30%", 0.3),
        ("share(smoke) <= .5", 0.5),
        ("share(smoke) < 1", 1),
        ("count(person) != 12", 12),
        ("dwell(person) > 30", 30),
        ("dwell(person) > 1.5 min", 90),
        ("dwell(person) > 2h", 7200),
        ("mean_dwell(person) > 10 seconds", 10),
    ],
)
def test_values(text, threshold):
    assert parsed(text).threshold == threshold


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"traffic light"', "traffic light"),
        ("'car, parked'", "car, parked"),
        ('"say \\"hi\\""', 'say "hi"'),
        ("'say \"hi\"'", 'say "hi"'),
        ('"for"', "for"),
        ("for", "for"),
        ("s", "s"),
    ],
)
def test_names_that_are_no_single_word_are_quoted(written, name):
    rule = parsed(f'share({written}, "back door") > 0')
    assert (rule.quantity.class_name, rule.quantity.zone) == (name, "back door")


A_MEASURE = r"expected a measure such as count\(person\), 'not' or '\('"
A_VALUE = "expected a number, a share such as 30 % or a time such as 5 s"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, f"{A_MEASURE}, found the end"),
        ("count(person) > ", 17, f"{A_VALUE}, found the end"),
        ("count(person) > -1", 17, f"{A_VALUE}, found '-'"),
        ("count(person) 3", 15, "expected one of > >= < <= == !=, found '3'"),
        ("count(person) = 3", 15, "expected one of .*, found '='"),
        ("count(person) > 3 and", 22, f"{A_MEASURE}, found the end"),
        ("count(person) > 3 for", 22, "expected a time such as 5 s, found the end"),
        ("count(person) > 3 for 5", 23, "expected a time such as 5 s, found '5'"),
        ("count(person) > 3 AND", 19, "expected 'and', 'for', 'or' or the end, found"),
        ("count(person) > 3 AND", 19, ".*, found 'AND'; write and$"),
        ("count(person) > 0 && 3", 19, "expected 'and', 'for', 'or' or the end, found"),
        ("count(person) > 0 && 3", 19, ".* found '&'; write and$"),
        ("count(person) > 0 || 3", 19, ".* found '|'; write or$".replace("|", r"\|")),
        ("!count(person) > 0", 1, ".* found '!'; write not$"),
        ("count(person) > 3 for 1 m", 23, "expected a time such as 5 s, found '1 m'; "),
        ("count(person) > 3 for 500 ms", 23, ".* '500 ms'; times are .* 5 s, 5 min or"),
        ("count(person) > 3 for 5 and", 23, ".* found '5'; times are written 5 s, 5 "),
        (
            "dwell(person) > 500 ms",
            21,
            ".* found 'ms'; times are written 5 s, 5 min or",
        ),
        ("entered(person, door, 5) > 3", 23, ".* found '5'; times are written 5 s"),
        ("(count(person) > 3", 19, r"expected .*'\)'.*, found the end"),
        ("count(person) > 3)", 18, r"expected .*, found '\)'"),
        ("person > 3", 8, r"expected '\(', found '>'"),
        ("count(traffic light) > 3", 15, "a name of several words is in quotation"),
        ("count('person) > 3", 7, 'expected a name .*, found "\'"'),
        ("count() > 3", 7, r"expected a name .*, found '\)'"),
        ("sum(person) > 3", 1, "unknown measure 'sum'; there are share, count, dwell"),
        ("share(smok) > 0.3", 7, "unknown class 'smok'; did you mean smoke"),
        ("share(smoke, dor) > 0", 14, "unknown zone 'dor'; did you mean door"),
        (
            "share(cat) > 0",
            7,
            "unknown class 'cat'; there are smoke, person, 'traffic ",
        ),
        (
            "count(person, beck) > 0",
            15,
            "unknown zone 'beck'; there are frame, door, '",
        ),
        (
            "shares(smoke) > 0",
            1,
            "unknown measure 'shares'; did you mean share[?] There",
        ),
        ("share(smoke) > 1.5", 16, "share is compared with a share .*, found '1.5'"),
        ("share(smoke) > 5 s", 16, "share is compared with a share from 0 to 1"),
        ("count(person) > 2.5", 17, "count is compared with a whole number such as 3"),
        ("count(person) > 5 %", 17, "count is compared with a whole number such as 3"),
        ("dwell(person) > 5 %", 17, "dwell is compared with a time such as 30 s"),
        ("entered(person) > 3", 1, "nothing crosses the edge of the whole frame"),
        ("count(person, door, 5 s) > 3", 24, "only entered and left have a time"),
        (
            "count(person) >\n 3 x",
            20,
            "expected 'and', 'for', 'or' or the end, found 'x'",
        ),
        ("(" * 60 + "count(person) > 3", 1, "is too long for a rule"),
        ("count(person) > 3 and " * 200, 1, "is too long for a rule"),
    ],
)
def test_mistakes_have_a_column_and_what_was_expected(text, column, message):
    with pytest.raises(RuleError, match=message) as error:
        parsed(text)
    assert error.value.column == column


def test_measures_that_cannot_be_used_say_why():
    words = Vocabulary({"dwell": "dwell needs --track; add it"}, (), str, ())
    with pytest.raises(RuleError, match="needs --track") as error:
        parse_condition("not dwell(person) > 3", words)
    assert error.value.column == 5
