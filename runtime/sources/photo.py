"""One picture file → one frame."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import imagesize
import numpy as np

from edgecnn.errors import EdgecnnError
from edgecnn.onnxfile import existing_file
from edgecnn.runtime.quiet import quiet_opencv
from edgecnn.runtime.sources import Frame, _formats
from edgecnn.runtime.sources._orientation import turned, webp_orientation
from edgecnn.runtime.sources._whole import NotWhole, whole

MAX_PIXELS = 100_000_000
MAX_BYTES = 2**29


def frames(path: str | os.PathLike[str]) -> Iterator[Frame]:
    """The one frame of a picture file. Errors as in read_photo."""
    yield read_photo(path)


def count(path: str | os.PathLike[str]) -> int:
    """Always 1."""
    return 1


def read_photo(path: str | os.PathLike[str]) -> Frame:
    """A picture file as a frame: H×W×3 BGR uint8, turned upright by its EXIF orientation.

    Grey becomes three equal channels, CMYK becomes BGR, 16 bits become the upper 8. Alpha is
    dropped, not composited: transparent pixels show the colour stored under them, as in
    Pillow's convert("RGB"). Colour profiles are ignored. Reads JPEG, PNG, WebP, BMP, TIFF
    (first page) and PNM, whatever the file's name ends in.

    Raises:
        EdgecnnError: missing, empty, a folder, not a picture, over 100 megapixels, truncated
            or damaged. Damage inside a JPEG's data that leaves its markers intact cannot be
            told from a picture.
    """
    path = Path(path)
    check_header(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EdgecnnError(f"cannot read {path}: {error.strerror or error}.") from error
    content = _formats.name_of(data[: _formats.HEAD_BYTES])
    try:
        data = whole(data, content)
    except NotWhole as reason:
        raise EdgecnnError(f"{path} ({content}) is {reason}. Copy it again.") from reason
    return Frame(_decoded(data, content, path), str(path))


def check_header(path: str | os.PathLike[str]) -> tuple[int, int]:
    """The picture's size (height, width) in its header, before any EXIF turn; nothing is decoded.

    Raises:
        EdgecnnError: missing, empty, not a picture, over 100 megapixels, over 512 MiB, or a
            header that tells no size.
    """
    path = existing_file(path)
    head = _formats.head_of(path)
    content = _formats.name_of(head)
    if content not in _formats.PICTURES:
        raise EdgecnnError(_not_a_picture(path, content))
    height, width = _header_size(path, head, content)
    if height <= 0 or width <= 0:
        raise EdgecnnError(f"{path} is damaged: its {content} header tells no size. Copy it again.")
    if height * width > MAX_PIXELS:
        raise EdgecnnError(
            f"{path} has {width}×{height} = {height * width / 1e6:.0f} megapixels; "
            f"the limit is {MAX_PIXELS / 1e6:.0f}. Scale it down first."
        )
    if path.stat().st_size > MAX_BYTES:
        raise EdgecnnError(
            f"{path} has {path.stat().st_size / 2**20:.0f} MiB; the limit for a picture is "
            f"{MAX_BYTES / 2**20:.0f}."
        )
    return height, width


def _header_size(path: Path, head: bytes, content: str) -> tuple[int, int]:
    if content == "BMP" and int.from_bytes(head[14:18], "little") == 12:
        # imagesize does not know the short header of OS/2.
        width, height = struct.unpack_from("<HH", head.ljust(22, b"\0"), 18)
    else:
        width, height = imagesize.get(path, exif_rotation=False)
    return height, width


def _not_a_picture(path: Path, content: str) -> str:
    readable = ", ".join(_formats.PICTURES)
    if content in _formats.VIDEOS:
        return f"{path} is not a picture but {content} video. Open it as video://{path}"
    if content in _formats.FOREIGN_PICTURES:
        return f"{path} is a picture in {content}, which is not read. Convert it to JPEG or PNG."
    what = f" but {content}" if content else ", or it is damaged"
    return f"{path} is not a picture{what}; expected one of {readable}."


def _decoded(data: bytes, content: str, path: Path) -> np.ndarray:
    flags, orientation = cv2.IMREAD_COLOR, 1
    if content == "WebP":
        # OpenCV 4.9 leaves WebP unturned, OpenCV 5 turns it: turn it here, with both.
        flags, orientation = flags | cv2.IMREAD_IGNORE_ORIENTATION, webp_orientation(data)
    picture: np.ndarray | None
    try:
        with quiet_opencv():
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError) as error:
        raise EdgecnnError(f"{path} is damaged: OpenCV cannot decode this {content}.") from error
    if picture is None:
        raise EdgecnnError(f"{path} is damaged or truncated: OpenCV cannot decode this {content}.")
    return turned(picture, orientation)
