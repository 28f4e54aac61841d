"""The Python API: models that predict, images, streams of frames, and data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from kseg.core.signatures import AnyPath

if TYPE_CHECKING:
    import numpy as np

    from edge.model_file.info import ModelInfo
    from edge.model_file.reading import Reading
    from edge.predict.base import Predictor
    from edge.predict.results import Result
    from kseg.data.sample import Dataset


def load(
    model: AnyPath,
    engine: str = "auto",
    threads: Optional[int] = None,
    **options: Any,
) -> Predictor:
    """Loads a run, a .keras, .tflite or .onnx file, or "grouping:KIND", to predict.

    The folder of a k-fold training, or "RUN1,RUN2", is the mean of several.
    `load(model).predict(image)` takes (H, W, channels) uint8 RGB or grey of any size.
    `options` are for files that kseg did not export, as in `kseg predict`: `classes`,
    `normalize`, `order`, `layout`, `output_name`, `threshold` and `input_size`. Raises
    InputError for a file that is missing, damaged or of another kind, TypeError for
    another option.
    """
    from edge.core.constants import MOST_THREADS
    from edge.core.errors import InputError
    from kseg.core import backend
    from kseg.core.fold_runs import is_several
    from kseg.evaluation.open import locate, open_predictor
    from kseg.evaluation.several import open_several

    given = reading_of_options(options)
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads {threads}: must be from 1 to {MOST_THREADS}")
    if is_several(fspath(model)):
        return open_several(fspath(model), engine, threads, given=given)
    path, _ = locate(fspath(model))
    if path.suffix == ".keras":
        if engine != "auto" or threads or options:
            raise InputError(
                "engine, threads and options: are for .tflite and .onnx files"
            )
        backend.start()
    return open_predictor(path, engine, threads, given=given)


def reading_of_options(options: dict[str, Any]) -> Reading:
    """Options of `load` as a Reading. Raises InputError, or TypeError for a name."""
    from types import SimpleNamespace

    from edge.model_file.reading import READERS, reading_of

    for name in options:
        if name not in READERS or name == "colors":
            raise TypeError(f"{name!r} is not an option of load")
    return reading_of(SimpleNamespace(**options))


def read_image(path: AnyPath, channels: int = 3) -> np.ndarray:
    """Reads an image file, upright: (H, W, channels) uint8, RGB, or grey if 1 channel.

    Raises InputError for a file that cannot be read.
    """
    from edge.core import images
    from edge.core.errors import InputError

    if channels not in (1, 3):
        raise InputError(f"channels {channels}: must be 1 for grey or 3 for RGB")
    return images.read_image(Path(path), channels)


def write_image(path: AnyPath, image: np.ndarray) -> None:
    """Writes (H, W, 3) uint8 RGB, or (H, W) grey, in the format of the file's suffix.

    The file is complete or missing. Raises InputError if it cannot be written.
    """
    from edge.core import images
    from edge.predict.base import check_image

    check_image(image)
    images.write_image(Path(path), image)


def write_video(path: AnyPath, frames: Iterable[np.ndarray], fps: float = 25.0) -> int:
    """Writes frames (H, W, 3) uint8 RGB to an .mp4, .avi or .mkv file.

    `frames` may be a generator: one frame at a time is in memory. Returns their number.
    The file is complete or missing. Raises InputError if it cannot be written.
    """
    from contextlib import closing

    from edge.predict.base import check_image
    from edge.video.recording import open_recorder

    count = 0
    with closing(open_recorder(Path(path), fps)) as recorder:
        for frame in frames:
            check_image(frame)
            recorder.write(frame[..., ::-1].copy(), count / fps)
            count += 1
    return count


def draw(
    image: np.ndarray,
    result: Result,
    info: ModelInfo,
    opacity: float = 0.5,
    outlines: bool = False,
    legend: bool = False,
) -> np.ndarray:
    """Draws a result over its image (H, W, 3) uint8 RGB; returns a new array.

    `opacity` from 0 to 1 is that of the class colours; `outlines` draws the boundaries
    of the classes, `legend` a panel with their names.
    """
    from edge.core.errors import InputError
    from edge.display.tasks import overlay
    from edge.display.view import View
    from edge.predict.base import check_image

    check_image(image)
    if not 0 <= opacity <= 1:
        raise InputError(f"opacity {opacity}: must be from 0 to 1")
    view = View(opacity=opacity, outlines=outlines, legend=legend)
    return overlay(image, result, info, view)


def stream(
    model: Union[AnyPath, Predictor],
    source: Union[AnyPath, int] = "0",
    engine: str = "auto",
    threads: Optional[int] = None,
) -> Iterator[tuple[np.ndarray, Result]]:
    """Predicts a camera, video or stream: frames (H, W, 3) uint8 RGB with their result.

    `source` is as in `kseg live --source`: a camera number, a file, a folder of images,
    an address, or "shapes". A live source skips frames that come while the network is
    busy. Ends with the source; leaving the loop closes it. Raises InputError for a
    source that cannot be opened.
    """
    from edge.app.stream import frames_with_results
    from edge.predict.base import Predictor

    predictor = model if isinstance(model, Predictor) else load(model, engine, threads)
    return frames_with_results(predictor, str(source))


def open_data(data: AnyPath = "shapes", seed: int = 0, task: str = "") -> Dataset:
    """Opens a data folder, or "shapes", as a Dataset: classes, colours and splits.

    `dataset.split("val").read(0)` gives a Sample: the image (H, W, channels) uint8 and
    its target: a mask (H, W) uint8 of class ids, 255 void, or `Objects` for the tasks
    instance and detection. `task` is by default what the data are labelled for;
    "shapes" has all three. `seed` divides a folder without splits. Raises InputError
    for the first error in the folder, and for a task that the folder is not for.
    """
    from edge.core.errors import InputError
    from kseg.data.open import open_data as open_dataset

    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed}: must be from 0 to {2**32 - 1}")
    return open_dataset(fspath(data), seed, task)
