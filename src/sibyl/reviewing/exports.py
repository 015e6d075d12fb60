"""What the page can write beside the table of labels: names of ``sibyl label --export``."""

FORMATS = ("folders", "links", "label-studio", "fiftyone", "cleanlab", "datasets", "onnx")
