import shlex

import pytest

from edge.core.errors import InputError
from kseg.data.open import open_data

# Format -> its files, and the words that its bridge has.
EXPORTS = {
    "YOLO with text files beside the images (darknet)": (
        {"obj.names": "cat", "obj_train_data/a.txt": "0 .5 .5 .1 .1\n"},
        "put the images into images/",
    ),
    "YOLO with text files beside the images": (
        {"a.jpg": "", "a.txt": "1 0.5 0.250000 1 0.1\n"},
        "add a data.yaml",
    ),
    "YOLO without its images": (
        {"classes.txt": "cat", "labels/a.txt": "1 0.5 0.250000 1 0.1\n"},
        "put the images into images/",
    ),
    "images with masks in labels/": (
        {"classes.txt": "cat", "images/a.jpg": "", "labels/a.png": ""},
        "rename labels/ to masks/",
    ),
    "Datumaro": (
        {
            "annotations/default.json": '{"categories": {"label": {}}, "items": [{'
            '"id": "a", "annotations": [{"type": "polygon", "label_id": 0}]}]}'
        },
        "-if datumaro",
    ),
    "VGG Image Annotator (VIA),": (
        {"p.json": '{"project": {"creator": "VGG Image Annotator (x)"}}'},
        "COCO format",
    ),
    "boxes in a table (CSV)": (
        {"train/_annotations.csv": "filename,class,xmin,ymin,xmax,ymax\n"},
        "export it as COCO",
    ),
    "VGG Image Annotator": (
        {
            "via_region_data.json": '{"a.jpg1": {"filename": "a.jpg", "regions": [{'
            '"shape_attributes": {"name": "polygon"}, "region_attributes": {}}]}}'
        },
        "COCO format",
    ),
    "VGG Image Annotator (VIA)": (
        {"project.json": '{"_via_settings": {}, "_via_img_metadata": {}}'},
        "COCO format",
    ),
    "V7 Darwin": (
        {
            "annotations/a.json": '{"version": "2.0", "schema_ref": '
            '"https://darwin-public.example/x.json", "annotations": []}'
        },
        "darwin convert coco",
    ),
    "Mapillary Vistas": (
        {"config_v2.0.json": "{}", "training/v2.0/labels/a.png": ""},
        "-if mapillary_vistas",
    ),
    "ADE20K with all its classes": (
        {"images/ADE/training/urban/street/ADE_train_1_seg.png": ""},
        "-if ade20k2020",
    ),
    "Label Studio with brush strokes (RLE)": (
        {
            "p.json": '[{"annotations": [{"result": [{"value": {"format": "rle", '
            '"brushlabels": ["car"]}, "from_name": "x", "to_name": "y"}]}]}]'
        },
        "Brush labels to COCO",
    ),
    "Label Studio with brush strokes": (
        {"task-1-annotation-2-by-3-tag-Car-0.png": ""},
        "Brush labels to COCO",
    ),
    "Label Studio's own JSON": (
        {
            "p.json": '[{"annotations": [{"result": [{"value": {"polygonlabels": []}, '
            '"from_name": "x", "to_name": "y"}]}]}]'
        },
        "COCO with Images",
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_it_is_named_with_what_converts_it(
    tmp_path, source, write, error_message, name
):
    files, bridge = EXPORTS[name]
    for path, text in files.items():
        write(source / path, text)
    message = error_message()
    assert message.startswith(f"{source}: is an export of {name}")
    assert bridge in message
    with pytest.raises(InputError) as caught:
        open_data(str(source))
    assert str(caught.value) == message


def test_commands_can_be_pasted(tmp_path, write):
    folder = tmp_path / "my export"
    write(folder / "config.json", "{}")
    write(folder / "training/labels/a.png", "")
    with pytest.raises(InputError) as caught:
        open_data(str(folder))
    assert f"datum convert -i {shlex.quote(str(folder))} -if" in str(caught.value)
