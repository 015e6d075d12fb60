"""The one way in which an image becomes a square: its short side is resized, then the centre is cut
out.
"""

from __future__ import annotations

from PIL import Image


def centre_cut(image: Image.Image, side: int, resize: int, filter_: Image.Resampling = Image.Resampling.BILINEAR) -> Image.Image:
    """Return the central square of an image.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any size.
    side : int
        Side of the square, in pixels.
    resize : int
        Length of the short side before the cut, at least `side`.
    filter_ : PIL.Image.Resampling
        How it is resized.
    """
    width, height = image.size
    scale = resize / min(width, height)
    # A strip may be thousands of times longer than wide: only the middle that survives the cut is resized.
    short = min(width, height)
    keep = min(max(width, height), short * 2)
    left, top = (width - keep) // 2 if width > keep else 0, (height - keep) // 2 if height > keep else 0
    image = image.crop((left, top, left + min(width, keep), top + min(height, keep)))
    size = (max(resize, round(image.width * scale)), max(resize, round(image.height * scale)))
    resized = image.resize(size, filter_)
    left, top = (resized.width - side) // 2, (resized.height - side) // 2
    return resized.crop((left, top, left + side, top + side))
