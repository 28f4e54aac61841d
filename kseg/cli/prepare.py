"""Convert another tool's export to a data folder.

  kseg prepare SRC DIR

The format of SRC is detected:
  voc       Pascal VOC, and "Segmentation mask" of CVAT (SegmentationClass/)
  roboflow  masks of Roboflow (train/NAME_mask.png and _classes.csv)
  segnet    CamVid as SegNet has it, or CVAT (train/ and trainannot/)
  labelme   labelme (NAME.json)
  coco      COCO of any tool (instances_*.json, _annotations.coco.json, others)

DIR gets {train,val,test}/{images,masks}/ and classes.json. Images are copied unchanged;
masks are PNGs of class ids with a palette, 255 is void. The splits of SRC are kept;
images without a split go into train. If SRC has no val split, a share of train becomes
val. Images without labels are left out and counted.
"""

from __future__ import annotations

from typing import Optional, Sequence

from kseg.cli.parser import parse
from kseg.cli.tables import write_result
from kseg.core.configs import PrepareConfig

CONFIG = PrepareConfig


def main(argv: Optional[Sequence[str]] = None) -> None:
    config = parse(CONFIG, "kseg prepare", __doc__, argv)
    from kseg.api import prepare

    done = prepare(config=config)
    write_result(config.json, done.record())
