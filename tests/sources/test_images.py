"""Every kind of file that a folder of photographs may hold."""

from __future__ import annotations

import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sibyl.errors import DataError
from sibyl.sources.images import MAX_PIXELS, decode_image, find_images, quiet_decoding
from sibyl.sources.item import Unreadable

RED = (200, 30, 40)


def encoded(image: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def plain(size: tuple[int, int] = (20, 12)) -> Image.Image:
    return Image.new("RGB", size, RED)


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def reason(content: bytes) -> str:
    with quiet_decoding(), pytest.raises(Unreadable) as caught:
        decode_image(content)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_is_read_as_rgb(kind: str) -> None:
    image = decode_image(encoded(plain(), kind))
    assert image.mode == "RGB"
    assert image.size == (20, 12)
    assert np.abs(np.asarray(image, int) - RED).max() <= 6


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 0, 250), (0, 250, 0))]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(np.asarray(decode_image(content), int) - RED).max() <= 8, kind


def test_exif_rotation_is_applied() -> None:
    image = plain((20, 12))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    upright = decode_image(encoded(image, "PNG", exif=exif))
    assert upright.size == (12, 20)
    assert upright.getpixel((11, 0)) == (255, 255, 255)


def test_broken_exif_does_not_cost_the_image() -> None:
    content = encoded(plain(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    with quiet_decoding():
        assert decode_image(content).size == (20, 12)


def test_cmyk_becomes_the_same_colour() -> None:
    content = encoded(plain().convert("CMYK"), "JPEG", quality=98)
    assert np.abs(np.asarray(decode_image(content), int) - RED).max() <= 12


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        grey = np.asarray(decode_image(encoded(Image.fromarray(ramp), kind)))[..., 0]
        assert np.abs(grey.astype(int).ravel() - np.arange(256)).max() <= 1, kind


@pytest.mark.parametrize("top", [4095, 3000, 20000, 65535])
def test_twelve_bits_in_sixteen_are_not_black(top: int) -> None:
    ramp = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
    full = 4095 if top <= 4095 else 65535
    for kind in ("PNG", "TIFF"):
        grey = np.asarray(decode_image(encoded(Image.fromarray(ramp), kind)))[..., 0]
        assert np.abs(grey - ramp * (255 / full)).max() <= 1, kind


def test_a_heic_picture_by_another_name_is_named() -> None:
    assert "HEIC picture" in reason(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))


def test_floating_point_grey_is_scaled() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    grey = np.asarray(decode_image(encoded(Image.fromarray(values), "TIFF")))[..., 0]
    assert grey.min() == 0
    assert grey.max() == 255
    values[0, 0] = np.nan
    assert np.asarray(decode_image(encoded(Image.fromarray(values), "TIFF"))).max() == 255


def test_transparent_lies_on_white() -> None:
    layer = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert decode_image(encoded(layer)).getpixel((1, 1)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert decode_image(encoded(palette, "GIF", transparency=0)).getpixel((1, 1)) == (255, 255, 255)


def test_large_jpegs_are_decoded_small_but_not_too_small() -> None:
    small = decode_image(encoded(plain((1600, 1200)), "JPEG"), min_side=100)
    assert 100 <= min(small.size) < 1200
    assert small.width / small.height == pytest.approx(4 / 3, rel=0.02)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated_anywhere_is_damaged_or_unreadable_never_another_error(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    content = encoded(noise, kind)
    for share in (0.02, 0.2, 0.5, 0.9):
        said = reason(content[: int(len(content) * share)])
        assert "\n" not in said
        assert "image" in said


def test_flipped_bytes_never_raise_anything_else() -> None:
    random = np.random.default_rng(1)
    with quiet_decoding():
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
            content = encoded(plain((30, 30)), kind)
            for _ in range(60):
                spoiled = bytearray(content)
                for place in random.integers(0, len(content), 4):
                    spoiled[place] = int(random.integers(256))
                with suppress(Unreadable):
                    assert decode_image(bytes(spoiled)).mode == "RGB"


def test_decompression_bombs_are_refused_before_decoding() -> None:
    assert "limit" in reason(png_header(60_000, 60_000))
    side = int(MAX_PIXELS**0.5) + 300  # between the size where Pillow warns and the one where it refuses
    assert "limit" in reason(png_header(side, side))


def test_no_image_at_all() -> None:
    assert reason(b"hello, this is text") == "not a readable image"


def write_tree(root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "deep.JPG").write_bytes(encoded(plain(), "JPEG"))
    (root / "top.png").write_bytes(encoded(plain()))
    (root / "mislabelled.jpg").write_bytes(encoded(plain(), "PNG"))
    (root / "no ending").write_bytes(encoded(plain(), "WEBP"))
    (root / "bitmap.dat").write_bytes(encoded(plain(), "BMP"))
    (root / "zero.png").write_bytes(b"")
    (root / "notes.txt").write_text("BMW is not a bitmap")
    (root / "a" / ".hidden.png").write_bytes(encoded(plain()))
    (root / ".git").mkdir()
    (root / ".git" / "x.png").write_bytes(encoded(plain()))


def test_every_file_is_an_item_or_has_a_reason(tmp_path: Path) -> None:
    write_tree(tmp_path)
    found = find_images(tmp_path)
    assert [item.name for item in found.items] == ["a/b/deep.JPG", "bitmap.dat", "mislabelled.jpg", "no ending", "top.png"]
    assert {one.name: one.reason for one in found.skipped} == {
        ".git": "hidden folder", "a/.hidden.png": "hidden file", "notes.txt": "not an image", "zero.png": "empty file",
    }  # fmt: skip


def test_left_out_files_are_not_named(tmp_path: Path) -> None:
    write_tree(tmp_path)
    found = find_images(tmp_path, [tmp_path / "notes.txt", tmp_path / "a", tmp_path / "absent"])
    names = {item.name for item in found.items} | {one.name for one in found.skipped}
    assert not any(name.startswith("a/") or name == "notes.txt" for name in names)


def test_link_loops_end_and_real_folders_go_first(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "AA").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = find_images(tmp_path)
    assert len(found.items) == 5
    reasons = {one.name: one.reason for one in found.skipped}
    assert reasons["AA"] == reasons["a/up"] == "link to a folder that is already searched"
    assert reasons["self"] == "link that leads back to itself"
    assert reasons["gone.png"].startswith("cannot be opened")


def test_links_to_folders_elsewhere_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").write_bytes(encoded(plain()))
    root = tmp_path / "root"
    root.mkdir()
    for name in ("first", "second"):
        (root / name).symlink_to(tmp_path / "elsewhere")
    found = find_images(root)
    assert [item.name for item in found.items] == ["first/x.png"]
    assert [one.name for one in found.skipped] == ["second"]


def test_odd_names_survive(tmp_path: Path) -> None:
    names = ["with space.png", "quo\"te'.png", "new\nline.png", "émoji 😀.png", "=cmd.png", "comma,semi;.png", "-rf.png"]
    for name in names:
        (tmp_path / name).write_bytes(encoded(plain()))
    assert sorted(names) == [item.name for item in find_images(tmp_path).items]


def test_names_that_are_no_text_are_skipped(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(encoded(plain()))
    (tmp_path / "good.png").write_bytes(encoded(plain()))
    found = find_images(tmp_path)
    assert [item.name for item in found.items] == ["good.png"]
    assert [(one.name, one.reason) for one in found.skipped] == [(r"caf\xe9.png", "file name is not valid UTF-8: rename it")]


def test_special_files_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded(plain()))
    os.mkfifo(tmp_path / "pipe.png")
    assert [one.reason for one in find_images(tmp_path).skipped] == ["not a regular file"]


@pytest.mark.parametrize("content", [{}, {"notes.txt": b"text"}])
def test_a_folder_without_images_is_refused(tmp_path: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="expected a folder with images"):
        find_images(tmp_path)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(DataError, match="no such folder"):
        find_images(tmp_path / "absent")
    with pytest.raises(DataError, match="is a file"):
        find_images(tmp_path / "file")
