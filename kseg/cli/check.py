"""Show how model files are understood, and what keeps them from running on devices.

  kseg check model.tflite
  kseg check other.onnx --image street.jpg --classes cityscapes --normalize imagenet

It reads any .tflite or .onnx file, also those of other programs. It lists the tensors,
with their numbers for one picture, and writes that picture with its labels. Of .tflite
files it lists what keeps them from running, or from running fast. The exit status is 3
for a file that no interpreter can run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

from edge.core.errors import InputError
from edge.core.log import say
from edge.model_file.onnx_proto import is_onnx
from edge.model_file.reading import NOTHING, Reading
from kseg.cli.parser import parse
from kseg.core.configs import CheckConfig

CONFIG = CheckConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(CONFIG, "kseg check", __doc__, argv)
    check_files(
        *(config.check, config.json, config.reading, config.image, config.output)
    )


def check_files(
    paths: Sequence[str],
    json: str,
    given: Reading = NOTHING,
    image: str = "",
    output: str = "",
) -> None:
    """Checks files, prints tables for each, and writes labelled pictures.

    Raises GateFailed for an error in a file, InputError for a file that cannot be read;
    the other files are still shown.
    """
    from kseg.cli.tables import lint_table_of, write_result
    from kseg.deploy.lint.rules import as_json, check, refuse

    findings, refusals = check([path for path in paths if not is_onnx_file(path)])
    broken = [p for p, found in findings.items() if any_error(found)]
    shown = [path for path in paths if is_onnx_file(path) or path in findings]
    texts = {path: lint_table_of(path, found) for path, found in findings.items()}
    for path in shown:
        try:
            text = inspected(Path(path), given, image, output)
        except InputError as error:
            # What a .tflite file needs on devices is known without understanding it.
            asked = given != NOTHING or image or output
            if is_onnx_file(path) or (path not in broken and asked):
                refusals.append(error)
            elif path not in broken:
                say(f"{error}; no labelled picture")
            continue
        parts = [texts[path], text] if path in texts else [f"{path}\n{text}"]
        texts[path] = "\n".join(parts)
    findings.update(
        {path: [] for path in shown if is_onnx_file(path) and path in texts}
    )
    write_result(json, as_json(findings))
    if json != "-" and texts:
        print("\n\n".join(texts.values()))
    for refusal in refusals[1:]:
        say(str(refusal))
    if refusals:
        raise refusals[0]
    refuse(findings)


def inspected(path: Path, given: Reading, image: str, output: str) -> str:
    """The table of a file's tensors; its labelled picture is written."""
    from kseg.cli.tables import tensor_table
    from kseg.deploy.inspection import inspect, write_picture

    found = inspect(path, given, image)
    target = write_picture(found, path, output)
    if target:
        say(f"{target}: {path.name} on {image or 'a generated scene'}")
    return tensor_table(found)


def is_onnx_file(path: str) -> bool:
    return is_onnx(Path(path)) and not Path(path).is_dir()


def any_error(issues: Sequence) -> bool:
    return any(issue.severity == "error" for issue in issues)
