"""Reading the names of a model's classes from a file that a user gives.

Formats: one name in each line, perhaps with its id, or all in one line with commas;
tables, perhaps with colours, such as CamVid's label_colors.txt and CVAT's labelmap.txt;
`names` of YOLO's data.yaml; JSON: a list of names, id -> name, name -> id, kseg's own
classes.json, or a file that has one of these under a key of `KEYS`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from edge.core.errors import InputError, quoted, reason_of, shortened
from edge.core.inputs import read_text as read_user_text
from edge.model_file.class_lists import Color, colors_of
from edge.model_file.class_tables import ClassRow, table_rows

MOST_CLASSES = 256
MOST_BYTES = 10_000_000
WITH_ID = re.compile(r"(\d{1,5})\s*[\s:,;=]\s*(\S.*)")
BEFORE_ID = re.compile(r"([^\d\s].*?)\s*[\t:,;=]\s*(\d{1,5})")
HEADING = re.compile(r"(?:\w*id|index|value|\w*name|label|class)", re.IGNORECASE)
YAML_NAMES = re.compile(r"names\s*:\s*(.*)")
YAML_ENTRY = re.compile(r"(?:-|(\d+)\s*:)\s*(.+)")  # - cat, or 0: cat
STRUCTURED = re.compile(r".*[{}\[\]]\s*$|\w+\s*:\s*$|- .*|---$")
QUOTED = re.compile(r"(['\"]).*\1")  # a line
WITH_COLOR = re.compile(r"([^:]+):\s*(\d+),\s*(\d+),\s*(\d+)\s*:[^:]*:[^:]*")
ID_KEYS = ("id", "value", "index", "class_id")  # of entries of a list
# Keys under which JSON files have their classes.
KEYS = ("classes", "names", "id2label", "categories")

NamesAndColors = Tuple[Tuple[str, ...], Tuple[Color, ...]]


def read_class_file(path: Path) -> NamesAndColors:
    """The names and RGB colours of a file's classes, in the order of their ids.

    Raises InputError for a file that cannot be read or has no such list.
    """
    text = read_text(path)
    try:
        if text.lstrip()[:1] in ("[", "{"):
            names, colors = from_json(json.loads(text))
        else:
            lines = text.splitlines()
            names, colors = from_lines(yaml_lines(lines) or lines)
        check_names(names)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"--classes {path}: {shortened(error, 200)}; write the names of the "
            "classes, one in each line, in the order of their ids"
        ) from None
    defaults = colors_of(names)
    chosen = (color or default for color, default in zip(colors, defaults))
    return tuple(names), tuple(chosen)


def read_text(path: Path) -> str:
    """The text of a small file, with or without a byte order mark."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"--classes {path}: is too large for a list of names")
        return read_user_text(path)
    except OSError as error:
        raise InputError(
            f"--classes {path}: cannot be read ({reason_of(error)})"
        ) from None
    except ValueError:
        raise InputError(
            f"--classes {path}: is not UTF-8 text; save it as UTF-8"
        ) from None


def check_names(names: List[str]) -> None:
    """Raises ValueError for a list that does not name each class differently."""
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"it has {len(names)} names, and 1 to {MOST_CLASSES} can be")
    for index, name in enumerate(names):
        if not name or not name.isprintable():
            raise ValueError(f"the name of class {index} is {quoted(name)}")
        if name in names[:index]:
            other = names.index(name)
            raise ValueError(f"classes {other} and {index} are both {quoted(name)}")


def from_lines(lines: List[str]) -> Tuple[List[str], List[Optional[Color]]]:
    """Names, and colours where the lines have them, from lines of text.

    >>> from_lines(["0 sea", "2: bird"])[0]
    ['sea', 'class 1', 'bird']
    >>> from_lines(["# label:color:parts:actions", "road:128,64,128::"])
    (['road'], [(128, 64, 128)])
    """
    lines = [line.strip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    lines = [line for line in lines if not line.startswith("#")]
    empty = [number for number, line in enumerate(lines, 1) if not line]
    if empty:
        raise ValueError(f"line {empty[0]} is empty, so ids would be unclear")
    colored = [WITH_COLOR.fullmatch(line) for line in lines]
    if lines and all(colored):
        found = [match.groups() for match in colored if match]
        return [name.strip() for name, *_ in found], [color_of(c) for _, *c in found]
    if len(lines) == 1 and re.search("[,;]", lines[0]):
        lines = [plain(name) for name in re.split("[,;]", lines[0])]
        return lines, [None] * len(lines)
    rows = table_rows(lines)
    if rows is not None:
        return from_rows(rows)
    lines = lines[is_heading(lines[0]) :] if lines else lines
    pairs = [(m[1], m[2]) for m in map(WITH_ID.fullmatch, lines) if m]
    pairs = pairs or [(m[2], m[1]) for m in map(BEFORE_ID.fullmatch, lines) if m]
    if lines and len(pairs) == len(lines):
        return by_id({int(number): name for number, name in pairs}, len(lines))
    wrong = next((line for line in lines if STRUCTURED.match(line)), None)
    if wrong is not None:
        raise ValueError(f"{quoted(wrong)} is not a name")
    if all(QUOTED.fullmatch(line) for line in lines):
        lines = [plain(line) for line in lines]
    return lines, [None] * len(lines)


def from_rows(rows: List[ClassRow]) -> Tuple[List[str], List[Optional[Color]]]:
    """Names and colours of a table."""
    colors = [row.color and color_of(row.color) for row in rows]
    if not rows or rows[0].id is None:
        return [row.name for row in rows], colors
    by_number = {row.id: color for row, color in zip(rows, colors)}
    names, _ = by_id({row.id or 0: row.name for row in rows}, len(rows))
    return names, [by_number.get(index) for index in range(len(names))]


def is_heading(line: str) -> bool:
    """Whether a line names the columns of a table, such as id,name."""
    words = re.split(r"\s*[,;\t]\s*", line)
    return len(words) > 1 and all(map(HEADING.fullmatch, words))


def yaml_lines(lines: List[str]) -> Optional[List[str]]:
    """The `names` of a data.yaml as lines; None for a text without this key.

    >>> yaml_lines(["nc: 2", "names:", "  0: cat", "  1: 'dog'", "path: x"])
    ['0 cat', '1 dog']
    >>> yaml_lines(["names: [cat, dog]"]), yaml_lines(["cat"])
    (['cat', 'dog'], None)
    """
    starts = [i for i, line in enumerate(lines) if YAML_NAMES.fullmatch(line.rstrip())]
    if not starts:
        return None
    inline = in_brackets(lines[starts[0] :])
    if inline[:1] == "[":
        return [plain(name) for name in inline[1:-1].split(",") if name.strip()]
    if inline[:1] == "{":
        entries = [YAML_ENTRY.fullmatch(x.strip()) for x in inline[1:-1].split(",")]
        return [f"{entry[1]} {plain(entry[2])}" for entry in entries if entry]
    found = []
    for line in lines[starts[0] + 1 :]:
        entry = YAML_ENTRY.fullmatch(line.strip())
        if line.strip() and not entry and line.strip()[0] != "#":
            break
        if entry:
            found.append(f"{entry[1] or ''} {plain(entry[2])}".strip())
    if not found:
        raise ValueError("`names` is neither a list nor names by id")
    return found


def in_brackets(lines: List[str]) -> str:
    """What stands in brackets behind the key in the first line; "" without brackets.

    >>> in_brackets(["names: [sea,  # one", "  bird]", "nc: 2"])
    '[sea, bird]'
    """
    text = ""
    for line in lines:
        text += " " + re.sub(r"(?:^|\s+)#.*", "", line).strip()
        begin = re.match(r" names\s*:\s*([\[{].*)", text)
        if begin is None:
            return ""
        if text.endswith(("]", "}")):
            return begin[1]
    return ""


def plain(name: str) -> str:
    """A name of YAML without its quotation marks, or a comment behind it."""
    name = name.strip()
    quoted_name = re.match(r"(['\"])(.*?)\1", name)
    return quoted_name[2] if quoted_name else re.sub(r"\s#.*", "", name).strip()


def by_id(names: Dict[int, str], count: int) -> Tuple[List[str], List[Optional[Color]]]:
    """A list from id -> name; ids without a name are numbered classes."""
    if len(names) < count:
        raise ValueError("two classes have the same id")
    if names and not 0 <= min(names) <= max(names) < MOST_CLASSES:
        raise ValueError(f"its ids are not from 0 to {MOST_CLASSES - 1}")
    listed = [names.get(index, f"class {index}") for index in range(max(names) + 1)]
    return listed, [None] * len(listed)


def from_json(content: Any) -> Tuple[List[str], List[Optional[Color]]]:
    """Names and colours from JSON. Raises ValueError, TypeError or KeyError."""
    if isinstance(content, dict):
        key = next((key for key in KEYS if key in content), None)
        if key is not None:
            void = content.get("ignore_index")
            if isinstance(void, (bool, float)):
                raise ValueError(f"ignore_index is {void}, which is no whole number")
            names, colors = from_json(content[key])
            kept = [index for index in range(len(names)) if index != void]
            return [names[i] for i in kept], [colors[i] for i in kept]
        numbers = list(content.values())
        if all(type(n) is int for n in numbers) and numbers:  # name -> id
            if sorted(numbers) == list(range(len(numbers))):
                return by_id({n: name for name, n in content.items()}, len(numbers))
        if not content or not all(str(number).isdecimal() for number in content):
            raise ValueError(f"it has none of the keys {', '.join(KEYS)}")
        return by_id({int(k): text_of(v) for k, v in content.items()}, len(content))
    if not isinstance(content, list):
        raise ValueError("it is not a list")
    content = in_order(content)
    colors = [each.get("color") if isinstance(each, dict) else None for each in content]
    return [text_of(each) for each in content], [c and color_of(c) for c in colors]


def in_order(entries: List[Any]) -> List[Any]:
    """The entries in the order of their ids, as far as they have whole ids.

    Ids with gaps, such as COCO's, do not count the outputs of a model: there the
    position counts, if they ascend. Raises ValueError otherwise.

    >>> in_order([{"name": "b", "id": 1}, {"name": "a", "id": 0}])[0]["name"]
    'a'
    """
    keys = [k for k in ID_KEYS if all(isinstance(e, dict) and k in e for e in entries)]
    given = [str(entry[keys[0]]) for entry in entries] if keys else []
    ids = [int(number) for number in given if number.isdecimal()]
    if len(ids) < len(entries) or ids == sorted(set(ids)):
        return entries
    if sorted(ids) not in (list(range(len(ids))), list(range(1, len(ids) + 1))):
        raise ValueError("its ids do not ascend, and have gaps or are there twice")
    return [entries[place] for place in sorted(range(len(ids)), key=ids.__getitem__)]


def text_of(entry: Any) -> str:
    """The name of an entry, which is a text, or has one as its "name"."""
    name = entry["name"] if isinstance(entry, dict) else entry
    if not isinstance(name, str):
        raise ValueError(f"{quoted(name)} is not a name")
    return name.strip()


def color_of(values: Any) -> Color:
    """Three numbers from 0 to 255, or texts of them. Raises ValueError otherwise."""
    red, green, blue = (int(value) for value in values)
    cut = any(isinstance(value, float) and value % 1 for value in values)
    if cut or not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
        raise ValueError(f"the colour {quoted(list(values))} is not three bytes")
    return red, green, blue
