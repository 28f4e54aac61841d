"""Networks in several files: the first takes the image, the others tensors by role.

Between them the program that runs the files works on the tensors, such as choosing
boxes. The decoder in the description of the first file has "parts", role -> the name of
a file beside it. That of another part has its role as "part", the roles of its inputs
as "inputs", and the name of the first file as "part_of". All have one "export".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Tuple

import numpy as np

from edge.core.errors import InputError, quoted, shortened
from edge.engines.base import TensorSpec
from edge.engines.tflite import TFLiteFile, outputs_of, spec_of
from edge.model_file.metadata import read_info

TFLITE = ".tflite"


class TFLitePart(TFLiteFile):
    """A part without the image: tensors by role -> tensors by role, float32 or int32.

    Tensors are without the batch. `inputs` are the specifications by role.
    """

    def _set_tensors(self) -> None:
        info = read_info(self.path)
        roles = info.decoder.get("inputs") if info else None
        details = [spec_of(each) for each in self._interpreter.get_input_details()]
        self.outputs = outputs_of(self._interpreter)
        names = info.outputs if info else ()
        fits = isinstance(roles, list) and len(roles) == len(details)
        if not fits or len(names) != len(self.outputs):
            raise InputError(
                f"{self.path}: its description does not name its {len(details)} inputs "
                f"and {len(self.outputs)} outputs; export it again"
            )
        self.inputs: dict[str, TensorSpec] = dict(zip(roles, details))
        self.roles, self.input = names, details[0]

    def blank(self) -> dict[str, np.ndarray]:
        """Tensors of zeros, for warm-up."""
        return {
            role: np.zeros(spec.shape[1:], spec.dtype)
            for role, spec in self.inputs.items()
        }

    def __call__(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by role. Raises InputError for tensors of other shapes."""
        given = []
        for role, spec in self.inputs.items():
            tensor = np.ascontiguousarray(tensors[role], spec.dtype)[None]
            if tensor.shape != spec.shape:
                raise InputError(
                    f"{self.path}: its input {role} is {list(spec.shape)}, and the "
                    f"part before gives {list(tensor.shape)}; export all parts again"
                )
            given.append(tensor)
        outputs = self._run(*given)
        return {role: x.dequantize() for role, x in zip(self.roles, outputs)}


def described(path: Path) -> dict[str, Any]:
    """The decoder in a file's description; empty without one."""
    info = read_info(path) if path.suffix.lower() == TFLITE and path.is_file() else None
    return info.decoder if info else {}


def role_in(path: Path) -> str:
    """The role of a file that is a part without the image; "" for other files."""
    role = described(path).get("part", "")
    return role if isinstance(role, str) else ""


def refuse_part(path: Path) -> None:
    """Raises InputError for a part without the image: it cannot be opened alone."""
    role = role_in(path)
    if role:
        first = described(path).get("part_of")
        raise InputError(
            f"{path}: is the part {shortened(role)} of a network, without its image; "
            f"give {shortened(str(first))} instead"
        )


def parts_of(path: Path) -> dict[str, Path]:
    """Role -> the other files of the network whose first file is `path`.

    Raises InputError if one is missing or from another export.
    """
    decoder, found = described(path), {}
    for role, name in named_parts(path, decoder).items():
        found[role] = part = path.with_name(name)
        if not part.is_file():
            raise InputError(
                f"{path}: needs {name} beside it, the part {role} of the network; copy "
                "it there, or export again"
            )
        other = described(part)
        if (other.get("part"), other.get("export")) != (role, decoder.get("export")):
            raise InputError(
                f"{part}: is not the part {role} of {path.name}; copy all files of one "
                "export"
            )
    return found


def named_parts(path: Path, decoder: Mapping[str, Any]) -> Mapping[str, str]:
    """The entry "parts" of a decoder. Raises InputError unless it names files."""
    parts = decoder.get("parts", {})
    valid = isinstance(parts, dict) and all(
        isinstance(name, str) and Path(name).name == name for name in parts.values()
    )
    if not valid:
        raise InputError(
            f"{path}: the decoder's parts are {quoted(parts)}; they must be names of "
            "files beside it; export again"
        )
    return parts


def files_of(path: Path) -> Tuple[Path, ...]:
    """A model file and its other parts."""
    return (path, *parts_of(path).values())
