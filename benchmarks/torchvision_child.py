"""Times networks of torchvision; a child process of benchmarks/child_process.py.

It runs in a Python with torchvision and needs nothing else of this project. Its
arguments are the network, the height and width of the image, and the threads. Each
request has a number of images; the answer is the mean milliseconds of an image, as
wall-clock and processor time.
"""

from __future__ import annotations

import json
import os
import sys
import time

WARM_UP = 1
NETWORKS = {
    "faster_rcnn": "fasterrcnn_resnet50_fpn",
    "mask_rcnn": "maskrcnn_resnet50_fpn",
}


def main() -> None:
    name, height, width, threads = sys.argv[1], *map(int, sys.argv[2:5])
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch
        import torchvision
    except ImportError as error:
        sys.exit(f"{error}; give the Python of an environment with torchvision")
    torch.set_num_threads(threads)
    build = getattr(torchvision.models.detection, NETWORKS[name])
    sides = {"min_size": min(height, width), "max_size": max(height, width)}
    model = build(weights=None, weights_backbone=None, **sides).eval()
    model = model.to(memory_format=torch.channels_last)
    random = torch.Generator().manual_seed(0)
    image = torch.rand((1, 3, height, width), generator=random)
    (image,) = image.to(memory_format=torch.channels_last)
    answer({"version": torchvision.__version__})
    with torch.inference_mode():
        for line in sys.stdin:
            answer({"millis": mean_millis(lambda: model([image]), json.loads(line))})


def mean_millis(step, count):
    """The mean time of `count` calls after the warm-up, as in benchmarks/clock.py."""
    for _ in range(WARM_UP):
        step()
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(count):
        step()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return 1e3 * wall / count, 1e3 * processor / count


def answer(content):
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
