"""Is a picture file whole? Checked by its end markers, because decoders fill what is missing.

OpenCV's JPEG decoder paints the missing part of a truncated file grey and reports success.
"""

from __future__ import annotations

import re
import struct
import zlib

# Any marker but stuffing (FF 00), restart (FF D0-D7) and fill bytes (FF FF).
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SCAN, _END, _TEMPORARY = 0xDA, 0xD9, 0x01
# What may stand between or after scans: tables, comments, application data, number of lines.
_AFTER_SCAN = {0xC4, _SCAN, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}

# What decoding needs. Profiles and texts are left out: libpng warns about common ones on
# stderr, and they can be bombs of their own.
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")


class NotWhole(ValueError):
    """The reason, in a few words: "truncated: ..." or "damaged: ..."."""


def whole(data: bytes, content: str) -> bytes:
    """The bytes to decode, once the file is known to be whole.

    Bytes after the end marker are allowed: cameras put a second picture or a maker's trailer
    there. BMP, TIFF and PNM have no end marker; OpenCV itself refuses those cut short.

    Raises:
        NotWhole: truncated or damaged.
    """
    if content == "JPEG":
        _check_jpeg(data)
    elif content == "PNG":
        return _needed_chunks(data)
    elif content == "WebP":
        expected = int.from_bytes(data[4:8], "little") + 8
        if expected > len(data):
            raise NotWhole(f"truncated: {len(data)} of {expected} bytes")
    return data


def _check_jpeg(data: bytes) -> None:
    at, in_scans = 2, False
    while found := _JPEG_MARKER.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        if marker == _END:
            return
        if in_scans and marker not in _AFTER_SCAN:
            raise NotWhole(f"damaged: marker {marker:02X} inside the picture data")
        in_scans |= marker == _SCAN
        if marker != _TEMPORARY:
            # The length counts its own two bytes; less than that is damage, and must not loop.
            at += max(int.from_bytes(data[at : at + 2], "big"), 2)
    raise NotWhole("truncated: its end marker is missing")


def _needed_chunks(data: bytes) -> bytes:
    kept = [data[:8]]
    at = 8
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if name in _PNG_NEEDED:
            (stored,) = struct.unpack_from(">I", data, end - 4)
            if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != stored:
                raise NotWhole(f"damaged: checksum of its {name.decode()} chunk")
            kept.append(data[at:end])
        if name == b"IEND":
            return b"".join(kept)
        at = end
    raise NotWhole("truncated: its IEND chunk is missing")
