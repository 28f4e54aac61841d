"""The help of the options for model files that kseg did not export."""

TITLE = "Models made by others (kept beside the file, as NAME.json)"
CLASSES = "voc, cityscapes, ade20k, coco, a file of names, or names with commas"
NORMALIZE = (
    "float input: imagenet, 0..1, -1..1, 0..255 or MEAN,STD; default -1..1, NCHW "
    "imagenet"
)
ORDER = "order of the input's channels: RGB or BGR; default RGB"
LAYOUT = "layout of the input: NHWC or NCHW; default: from its shape"
OUTPUT_NAME = "output that is shown, by name or number; default: the first map"
INPUT_SIZE = "input size of an .onnx file that leaves it open; default 512x512"
THRESHOLD = "least probability of the second of two classes; default 0.5"
