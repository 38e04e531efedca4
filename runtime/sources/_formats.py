"""What a file holds, told from its first bytes; its name may say otherwise."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from edgecnn.errors import EdgecnnError

HEAD_BYTES = 64
# Formats whose size the header tells before decoding and which every OpenCV wheel since 4.9
# reads alike. AVIF and JPEG 2000 are left out: OpenCV turns the first wrongly, and not every
# build has them.
PICTURES = ("JPEG", "PNG", "WebP", "BMP", "TIFF", "PNM")
FOREIGN_PICTURES = ("HEIC", "AVIF", "JPEG 2000")
VIDEOS = ("MP4", "AVI", "Matroska", "GIF", "MPEG")
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WebP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"GIF8", "GIF"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska"),
    (8, b"AVI ", "AVI"),
    (0, b"\x00\x00\x01\xba", "MPEG"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftyp", "MP4"),
    (4, b"jP  \r\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "ZIP"),
)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def content_of(path: str | os.PathLike[str]) -> str:
    """The format's name by the file's first bytes; "text" or "" where it is none of ours.

    Raises:
        EdgecnnError: the file cannot be read.
    """
    return name_of(head_of(path))


def head_of(path: str | os.PathLike[str]) -> bytes:
    """The first 64 bytes, fewer if the file is shorter."""
    try:
        with Path(path).open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise EdgecnnError(f"cannot read {path}: {error.strerror or error}.") from error


def name_of(head: bytes) -> str:
    """The format's name by the first 64 bytes; "text" or "" where it is none of ours."""
    for at, magic, name in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return name
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PNM"
    return "text" if _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    try:
        # Not final: the last character may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(char >= " " or char in "\t\n\r\f" for char in text)
