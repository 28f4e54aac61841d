"""What a model file says of itself: class names, colours, how to feed it.

A `.keras` file is a zip; a `.tflite` becomes one too when files are attached behind
the flatbuffer. Both carry `kseg.json`, read here with `zipfile` alone. An `.onnx`
has it among its `metadata_props`.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, List, Optional, Sequence

from edge.command import BadInput, say
from edge.onnx_metadata import metadata_props

NAME = "kseg.json"
LABELS = "labels.txt"  # a name a line, as others write it too
DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError)
IGNORE_INDEX = 255  # void and padding in every mask that kseg has read


def palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` RGB colours, black first; Pascal VOC's, whose bits spread neighbours.

    >>> palette(3)
    ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    """
    colors = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> channel & 1) << (7 - bit)
            index >>= 3
        colors.append(tuple(channels))
    return tuple(colors)


@dataclass(frozen=True)
class ModelInfo:
    """Everything beyond the tensors that someone needs to use a model.

    `colors` are RGB; black is drawn as nothing. `resize` says how a picture is brought
    to a fixed input: "fit" keeps its aspect and pads below and to the right, "stretch"
    does not keep it. `max_side` bounds what a network of free size is given. `minimum`
    is the smallest side in pixels that a picture may have. `white` is the value of
    16-bit pictures that means white. A network of valid convolutions takes sides of
    `least` + k * `step` pixels and gives `border` fewer on each side; the picture is
    done in tiles.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    head: str = "logits"
    resize: str = "fit"
    ignore_index: int = IGNORE_INDEX
    minimum: int = 1
    max_side: int = 1024
    white: float = 255.0
    least: int = 1
    step: int = 1
    border: int = 0
    run: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def covering(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest input that the network needs to see all of a picture of `size`.

        >>> ModelInfo((), (), least=188, step=16, border=92).covering((388, 389))
        (572, 588)
        """
        missing = (side + 2 * self.border - self.least for side in size)
        steps = (max(0, -(-pixels // self.step)) for pixels in missing)
        height, width = (self.least + count * self.step for count in steps)
        return height, width

    def attach(self, path: Path) -> None:
        """Adds this and the list of names to a model file."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(NAME, json.dumps(asdict(self), indent=1))
            archive.writestr(LABELS, "\n".join(self.names) + "\n")


def unknown_model(names: Sequence[str] = ()) -> ModelInfo:
    """What is assumed of a model that says at most names: numbers, stretching."""
    return ModelInfo(
        names=(*names, *(f"class {i}" for i in range(len(names), 256))),
        colors=palette(256),
        resize="stretch",
    )


def info_of(path: Path) -> ModelInfo:
    """What a model file says of itself; what it lacks is assumed, and that is said."""
    info = read_info(path)
    if info is not None:
        return info
    names = read_labels(path)
    say(
        f"{path.name} does not describe itself: classes are "
        f"{'named by its labels file' if names else 'numbered'}, colours are "
        "Pascal VOC's, pictures are stretched to its input"
    )
    return unknown_model(names)


def read_labels(path: Path) -> List[str]:
    """The names in a labels file attached to another's model, a name a line.

    TFLite Metadata call it labels.txt or labelmap.txt, say. None where there is none.
    """
    if not zipfile.is_zipfile(path):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            files = [n for n in archive.namelist() if n.endswith(".txt")]
            files = [n for n in files if "label" in n.lower()]
            lines = archive.read(files[0]).decode().splitlines() if files else []
    except DAMAGE as error:
        raise BadInput(f"{path}: its labels file is damaged ({error})") from None
    return [line.strip() for line in lines[:256]]


def read_info(path: Path) -> Optional[ModelInfo]:
    """The `kseg.json` inside a model file; None where there is none.

    Raises BadInput where it is there and cannot be understood.
    """
    try:
        text = read_text(path)
        if text is None:
            return None
        fields = json.loads(text)
        known = {k: v for k, v in fields.items() if k in ModelInfo.__dataclass_fields__}
        known["names"] = tuple(known["names"])
        known["colors"] = tuple(tuple(color) for color in known["colors"])
        if len(known["names"]) != len(known["colors"]):
            raise ValueError("it has not as many colors as names")
        return ModelInfo(**known)
    except DAMAGE as error:
        raise BadInput(
            f"{path}: its {NAME} is damaged ({error}); export again"
        ) from None


def read_text(path: Path) -> Optional[str]:
    """The text of `kseg.json`: a pair of an .onnx file's metadata, else in a zip."""
    if path.suffix == ".onnx":
        return metadata_props(path.read_bytes()).get(NAME)
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return archive.read(NAME).decode() if NAME in archive.namelist() else None
