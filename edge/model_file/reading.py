"""How a model file that kseg did not export is read, and the file that keeps it.

The options of `kseg live` and others are kept in NAME.json beside NAME.tflite or
NAME.onnx, so that they are given once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from edge.core.errors import InputError, quoted, shortened
from edge.core.files import json_text, write_text
from edge.model_file.class_files import check_names, color_of, read_class_file
from edge.model_file.class_lists import LISTS, Color, list_named
from edge.model_file.normalizing import normalization_of

MARK, MARKED = "kseg", "how the model file of this name is read"
ORDERS, LAYOUTS = ("RGB", "BGR"), ("NHWC", "NCHW")
SIDE = 16384  # pixels, the largest of an input


@dataclass(frozen=True)
class Reading:
    """What the options say about a model file; empty values are not given.

    `classes` is a key of `LISTS` or the names; `colors` are theirs, empty for defaults.
    `normalize` is as `normalization_of` reads it. `order` and `layout` are those of the
    network's input. `output_name` is the output that is shown, by name or number.
    `threshold` is the least probability of the second of two classes. `input_size`
    (height, width) is for an input without a fixed size.
    """

    classes: Tuple[str, ...] = ()
    colors: Tuple[Color, ...] = ()
    normalize: str = ""
    order: str = ""
    layout: str = ""
    output_name: str = ""
    threshold: Optional[float] = None
    input_size: Optional[Tuple[int, int]] = None

    @property
    def class_list(self) -> str:
        """The key of `LISTS` that names the classes, or ""."""
        single = self.classes[0] if len(self.classes) == 1 else ""
        return single if single in LISTS else ""

    def given(self) -> Dict[str, Any]:
        """The values that are given, by name."""
        return {k: v for k, v in asdict(self).items() if v not in ("", (), None)}

    def updated(self, other: Reading) -> Reading:
        """This with the values that `other` gives; new classes have their colours."""
        new = other.given()
        if "classes" in new:
            new.setdefault("colors", ())
        return replace(self, **new)


NOTHING = Reading()


def option_of(name: str) -> str:
    """A field as it is typed: "output_name" -> "--output-name"."""
    return f"--{name.replace('_', '-')}"


def reading_of(options: Any) -> Reading:
    """The reading that options give, which are attributes of any object.

    `classes` is the name of a list, a file, or names with commas. Raises InputError for
    values that do not fit.
    """
    found: Dict[str, Any] = {}
    for each in fields(Reading):
        value = getattr(options, each.name, None)
        if value not in (None, "", ()):
            found[each.name] = value
    if "classes" in found:
        found["classes"], found["colors"] = classes_of(str(found["classes"]))
    for name, known in (("order", ORDERS), ("layout", LAYOUTS)):
        if name in found:
            found[name] = one_of(f"--{name}", found[name], known)
    if "normalize" in found:
        normalization_of(found["normalize"])
    return Reading(**found)


def one_of(name: str, text: str, known: Tuple[str, ...]) -> str:
    """A text in capitals. Raises InputError if it is none of `known`."""
    if text.upper() not in known:
        raise InputError(f"{name} {text}: is not {' or '.join(known)}")
    return text.upper()


def classes_of(text: str) -> Tuple[Tuple[str, ...], Tuple[Color, ...]]:
    """--classes: a list's key alone, or the names and colours of a file.

    >>> classes_of("Pascal VOC"), classes_of("background,person")[0]
    ((('voc',), ()), ('background', 'person'))
    """
    key, path = list_named(text), Path(text)
    if path.is_file():
        return read_class_file(path)
    if key:
        return (key,), ()
    names = [part.strip() for part in text.split(",")]
    if len(names) == 1 or path.exists():
        raise InputError(
            f"--classes {text}: is no file of names and none of {', '.join(LISTS)}"
        )
    try:
        check_names(names)
    except ValueError as error:
        raise InputError(f"--classes {shortened(text)}: {error}") from None
    return tuple(names), ()


def kept_path(path: Path) -> Path:
    """The file that keeps how a model file is read."""
    return path.with_suffix(".json")


def read_kept(path: Path) -> Reading:
    """What was kept for a model file; nothing if there is no such file.

    A JSON file of another program under that name is ignored. Raises InputError for a
    file that may not be read, and for one of ours that is damaged.
    """
    kept = kept_path(path)
    try:
        text = kept.read_text(encoding="utf-8-sig")
    except PermissionError:
        raise InputError(
            f"{kept}: may not be read, and may say how {path.name} is read; change its "
            "rights, or remove it and give the options again"
        ) from None
    except (OSError, ValueError):
        return NOTHING
    if MARKED not in text:
        return NOTHING
    try:
        return from_content(json.loads(text))
    except (ValueError, TypeError, KeyError, InputError, RecursionError) as error:
        raise InputError(
            f"{kept}: is damaged ({shortened(error, 200)}); correct it, or remove it "
            "and give the options again"
        ) from None


def from_content(content: Any) -> Reading:
    """The content of NAME.json. Raises ValueError and others if it is invalid."""
    if not isinstance(content, dict) or content.get(MARK) != MARKED:
        raise ValueError(f"{MARK} is not {quoted(MARKED)}")
    found: Dict[str, Any] = {}
    for name, value in content.items():
        if name == MARK:
            continue
        if name not in READERS:
            raise ValueError(f"{quoted(name)} is none of {', '.join(READERS)}")
        try:
            found[name] = READERS[name](value)
        except (ValueError, TypeError, InputError) as error:
            raise ValueError(f"{name}: {error}") from None
    if found.get("colors") and len(found["colors"]) != len(found.get("classes", ())):
        raise ValueError("it has different numbers of classes and colors")
    return Reading(**found)


def to_content(reading: Reading) -> Dict[str, Any]:
    """The content of NAME.json."""
    content = {MARK: MARKED, **reading.given()}
    if reading.class_list:
        content["classes"] = reading.class_list
    return content


def keep(path: Path, reading: Reading) -> str:
    """Write NAME.json beside a model file; why that is not possible, or ""."""
    kept, text = kept_path(path), json_text(to_content(reading), indent=1) + "\n"
    try:
        if kept.exists():
            old = kept.read_bytes()
            if old == text.encode():
                return ""
            if MARKED.encode() not in old:
                return "it is a file of another program"
        write_text(kept, text)
    except OSError as error:
        return error.strerror or str(error)
    except InputError as error:
        return str(error)
    return ""


def names_in(value: Any) -> Tuple[str, ...]:
    """A list's name, or names. Raises ValueError or TypeError."""
    if isinstance(value, str):
        if value not in LISTS:
            raise ValueError(f"{quoted(value)} is none of {', '.join(LISTS)}")
        return (value,)
    names = [text(name) for name in list(value)]
    check_names(names)
    return tuple(names)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{quoted(value)} is not a text")
    return value


def normalize_text(value: Any) -> str:
    normalization_of(text(value))
    return value


def share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{quoted(value)} is not a number")
    if not 0 <= value <= 1:
        raise ValueError(f"{value} is not from 0 to 1")
    return float(value)


def sides(value: Any) -> Tuple[int, int]:
    height, width = value
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int) or not 0 < side <= SIDE:
            raise ValueError(f"{quoted(value)} are not two sides up to {SIDE}")
    return height, width


READERS: Dict[str, Callable[[Any], Any]] = {
    "classes": names_in,
    "colors": lambda value: tuple(color_of(color) for color in list(value)),
    "normalize": normalize_text,
    "order": lambda value: one_of("order", text(value), ORDERS),
    "layout": lambda value: one_of("layout", text(value), LAYOUTS),
    "output_name": text,
    "threshold": share,
    "input_size": sides,
}


def described_options(names: List[str]) -> str:
    """Names of fields as options, with commas.

    >>> described_options(["classes", "output_name"])
    '--classes, --output-name'
    """
    return ", ".join(option_of(name) for name in names)
