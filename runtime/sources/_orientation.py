"""EXIF orientation where OpenCV's own handling depends on its version (WebP)."""

from __future__ import annotations

import struct

import numpy as np

_ORIENTATION = 0x0112


def turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """H×W×C turned upright; orientation 1-8 as in EXIF, anything else counts as 1."""
    swapped = picture.transpose(1, 0, 2)
    views = {
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: swapped,
        6: swapped[:, ::-1],
        7: swapped[::-1, ::-1],
        8: swapped[::-1],
    }
    return np.ascontiguousarray(views.get(orientation, picture))


def webp_orientation(data: bytes) -> int:
    """Orientation 1-8 from a WebP file's EXIF chunk; 1 if there is none or it is damaged."""
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            return _in_exif(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    return 1


def _in_exif(exif: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * entries, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:
        return 1
    return 1
