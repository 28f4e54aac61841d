"""The help of the options for model files that kseg did not export."""

TITLE = "Models made by others (kept beside the file, as NAME.json)"
CLASSES = (
    "names of the classes: voc, cityscapes, ade20k, coco, a file with a name in each "
    "line, or names with commas; default: those in the file, or a guess"
)
NORMALIZE = (
    "numbers of a float input: imagenet, 0..1, -1..1, 0..255, or MEAN,STD, for each "
    "channel if there are six numbers; default -1..1, for NCHW imagenet"
)
ORDER = "order of the input's channels: RGB or BGR; default RGB"
LAYOUT = "layout of the input: NHWC or NCHW; default: from its shape"
OUTPUT_NAME = "output that is shown, by name or number; default: the first map"
INPUT_SIZE = "input size of an .onnx file that leaves it open; default 512x512"
THRESHOLD = (
    "of two classes, the probability above which a pixel has the second one, 0 to 1; "
    "default 0.5"
)
