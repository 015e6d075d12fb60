"""Images of a folder, read defensively: every file is either an item or named with the reason why it is skipped.

The content decides what is an image, not the ending. Only the decoders of `FORMATS` are ever tried on foreign bytes, because others
start outside programs. What is read is upright (EXIF), RGB, 8 bit; of an animation, the first frame; what is transparent lies on
white.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sibyl.errors import DataError, reason_of
from sibyl.messages import counted
from sibyl.sources.folder import Folder, ending, walk_folder
from sibyl.sources.item import Unreadable

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
FOREIGN = {
    ".heic": "a HEIC picture, which is not read: convert it to JPEG or PNG",
    ".heif": "a HEIF picture, which is not read: convert it to JPEG or PNG",
    ".avif": "an AVIF picture, which is not read: convert it to JPEG or PNG",
    ".jxl": "a JPEG XL picture, which is not read: convert it to JPEG or PNG",
    ".svg": "an SVG drawing, which is not read: convert it to PNG",
}
"""Endings of pictures that no decoder of `FORMATS` reads, and what to do."""
_BRANDS = {
    b"heic": ".heic",
    b"heix": ".heic",
    b"hevc": ".heic",
    b"mif1": ".heif",
    b"msf1": ".heif",
    b"avif": ".avif",
    b"avis": ".avif",
}
MAX_PIXELS = 89_000_000  # just under the size from which Pillow presumes a decompression bomb
READER = "rgb8 upright first-frame on-white 2"  # part of every feature cache key: raise the number when pixels change

_LARGE = 16_000_000  # pixels
_ONE_AT_A_TIME = threading.Lock()
_DEPTHS = (4095, 65535)  # largest values of 12 and 16 bits
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# What Pillow's decoders raise on damaged bytes besides its own errors.
_DAMAGE = (
    OSError, ValueError, SyntaxError, TypeError, IndexError, KeyError, EOFError, AttributeError,
    ArithmeticError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip


def find_images(root: str | Path, leave_out: Iterable[str | Path] = ()) -> Folder:
    """Find the images below a folder; see `walk_folder` for what else is skipped.

    Parameters
    ----------
    root : path
        Folder to search.
    leave_out : iterable of path
        Files and folders that are no data, such as the list of examples or the output; they are not named at all.

    Raises
    ------
    DataError
        If the folder does not exist or no image lies in it.
    """
    root = Path(root)
    if not root.is_dir():
        what = "is a file" if root.exists() else "no such folder"
        raise DataError(f"{root}: {what}; expected a folder with images ({', '.join(ENDINGS)})")
    found = walk_folder(root, leave_out, lambda path: "" if is_image(path) else "not an image")
    if not found.items:
        said = f"none is among its {counted(len(found.skipped), 'file')}" if found.skipped else "it is empty"
        raise DataError(f"{root}: expected a folder with images ({', '.join(ENDINGS)}), but {said}; name another folder")
    return found


def is_image(path: str | Path) -> bool:
    """Tell whether a file has an ending of images or begins like one."""
    return ending(path) in ENDINGS or _looks_like_an_image(path)


def foreign(path: str | Path) -> str | None:
    """Say why a file is a picture that is not read, by its ending or its first bytes; None for any other file."""
    if ending(path) in FOREIGN:
        return FOREIGN[ending(path)]
    try:
        with Path(path).open("rb") as file:
            return _foreign_bytes(file.read(12))
    except OSError:
        return None


def _foreign_bytes(head: bytes) -> str | None:
    return FOREIGN[_BRANDS[head[8:12]]] if head[4:8] == b"ftyp" and head[8:12] in _BRANDS else None


def _looks_like_an_image(path: str | Path) -> bool:
    try:
        with Path(path).open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    if head.startswith(b"BM"):  # two letters are weak evidence: the size in the header must agree too
        return int.from_bytes(head[2:6], "little") == Path(path).stat().st_size
    return begins_like_an_image(head)


def begins_like_an_image(head: bytes) -> bool:
    """Tell whether bytes begin as a file of one of `FORMATS` does."""
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def decode_image(content: bytes, min_side: int | None = None) -> Image.Image:
    """Turn the bytes of an image file into an upright RGB image.

    Parameters
    ----------
    content : bytes
        A whole file.
    min_side : int, optional
        Large JPEGs may be decoded at an eighth, a quarter or half of their size, as long as both sides keep this many pixels.

    Returns
    -------
    PIL.Image.Image
        Mode RGB.

    Raises
    ------
    Unreadable
        With the reason in a few words.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(_too_many(image.width * image.height))
            if min_side is not None and image.mode in ("RGB", "L"):
                image.draft(image.mode, (min_side, min_side))
            # Several threads decode at once: of the largest images, one at a time.
            with _ONE_AT_A_TIME if image.width * image.height > _LARGE else nullcontext():
                image.load()
                return _to_rgb(_upright(image))
    except UnidentifiedImageError:
        raise Unreadable(_foreign_bytes(content[:12]) or "not a readable image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(_too_many(None)) from None
    except MemoryError:
        raise Unreadable("image too large for the memory") from None
    except _DAMAGE as error:
        raise Unreadable(f"damaged image ({_one_line(error)})") from None


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Silence Pillow's warnings while many images are decoded: they name no file, and what matters is in the reasons.

    Filters of warnings belong to the whole process, so this is entered once, around the threads that decode.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _too_many(n_pixels: int | None) -> str:
    size = "far too many pixels" if n_pixels is None else f"{n_pixels / 1e6:.0f} million pixels"
    return f"{size}, the limit is {MAX_PIXELS / 1e6:.0f} million"


def _one_line(error: BaseException) -> str:
    text = reason_of(error, 1000)
    return text if len(text) <= 80 else type(error).__name__


def as_rgb(image: Image.Image) -> Image.Image:
    """Return an image of Pillow as `decode_image` would: upright, RGB, 8 bit.

    Raises
    ------
    Unreadable
        If it is too large, or the file behind it is damaged.
    """
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable(_too_many(image.width * image.height))
    try:
        return _to_rgb(_upright(image))
    except _DAMAGE as error:
        raise Unreadable(f"damaged image ({_one_line(error)})") from None


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:  # broken EXIF says nothing about the pixels
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode == "F" or image.mode.startswith("I;"):
        return _deep_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        on_white = Image.new("RGB", layer.size, (255, 255, 255))
        on_white.paste(layer, mask=layer.getchannel("A"))
        return on_white
    return image.convert("RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """Bring 12-bit, 16-bit, 32-bit and floating-point grey to 8 bit; plain conversion would cut everything above 255 to white.

    Cameras and microscopes store 12 bits in files of 16, where all would be nearly black: the largest value tells.
    """
    if image.mode != "F":
        whole = np.asarray(image)
        largest = int(whole.max())
        if whole.min() >= 0 and largest <= _DEPTHS[-1]:
            full = 255 if largest <= 255 and image.mode != "I;16" else next(depth for depth in _DEPTHS if largest <= depth)
            shades = np.rint(np.minimum(np.arange(_DEPTHS[-1] + 1), full) * (255 / full)).astype(np.uint8)
            return Image.fromarray(shades[whole]).convert("RGB")
    values = np.nan_to_num(np.asarray(image, np.float32 if image.mode == "F" else np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= _DEPTHS[-1]:
        low, high = 0.0, 255.0 if high <= 255 else float(_DEPTHS[-1])
    grey = np.rint((values - low) * (255 / (high - low if high > low else 1))).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
