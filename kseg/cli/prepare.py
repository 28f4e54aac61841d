"""Convert another tool's export to a data folder.

  kseg prepare SRC DIR
  kseg prepare SRC --merge DATA
  kseg prepare DIR --proposals

The format of SRC is detected:
  voc        Pascal VOC, and "Segmentation mask" of CVAT (SegmentationClass/)
  roboflow   masks of Roboflow (train/NAME_mask.png and _classes.csv)
  segnet     CamVid as SegNet has it, or CVAT (train/ and trainannot/)
  cityscapes Cityscapes (leftImg8bit/ and gtFine/), its 19 classes
  ade20k     ADE20K, scene parsing (images/training/ and annotations/training/)
  supervisely  a project of Supervisely (meta.json, DS/img/ and DS/ann/)
  labelme    labelme (NAME.json)
  coco       COCO of any tool (instances_*.json, _annotations.coco.json, others)
  bowl       Data Science Bowl 2018 (ID/images/ and ID/masks/)
  yolo       YOLO (images/, labels/ and data.yaml)
  cvat       "CVAT for images" (annotations.xml)
  voc-boxes  boxes in XML as in Pascal VOC (Annotations/, or beside the images)

DIR gets {train,val,test}/images/ and classes.json, and with
  --task semantic   masks/: PNGs of class ids with a palette, 255 is void
  --task instance   objects.json: outlines in COCO's format
  --task detection  objects.json: boxes only
Without --task the first eight formats give semantic, bowl instance; the others instance
if all objects have an outline, else detection, as Supervisely with rectangles.
SRC may be "shapes": --count generated scenes for train, and a share of as many for val.

Images are copied unchanged. The splits of SRC are kept; images without a split go into
train. If SRC has no val split, a share of train becomes val. Images without labels are
left out and counted; in yolo and cvat they are images without objects.
With --merge, new images are added to DATA; those like one of val or test go there.
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
