"""Read and write an ONNX file's metadata without an engine and without the onnx package.

ModelProto is a flat protobuf message: field 7 is the graph, field 14 holds the metadata as
key/value pairs. Walking the top level touches a few hundred bytes of a file of any size, so
`edgecnn card` answers at once, and a truncated file is recognised before an engine sees it.
Source: onnx.proto3, https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgecnn.atomic import replacing
from edgecnn.card import KEY, Card, CardError
from edgecnn.errors import EdgecnnError

_GRAPH, _METADATA = 7, 14
_METADATA_LIMIT = 16 * 2**20


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The file's metadata as {key: value}.

    Raises:
        EdgecnnError: missing, empty, truncated, or not an ONNX file.
    """
    path = existing_file(path)
    found: dict[str, str] = {}
    graph_seen = False
    with path.open("rb") as file:
        for field, start, end in _top_level(file, path):
            graph_seen |= field == _GRAPH
            if field == _METADATA:
                if end - start > _METADATA_LIMIT:
                    raise EdgecnnError(
                        f"{path}: a metadata entry of {end - start} bytes; limit 16 MiB."
                    )
                file.seek(start)
                key, value = _pair(file.read(end - start), path)
                found[key] = value
    if not graph_seen:
        raise EdgecnnError(f"{path} is not an ONNX model: it has no graph.")
    return found


def read_card(path: str | os.PathLike[str]) -> Card:
    """The card inside an ONNX file, or in a `NAME.card.json` beside it.

    Raises:
        EdgecnnError: not an ONNX file.
        CardError: neither place has a card, or it does not hold together.
    """
    path = Path(path)
    metadata = read_metadata(path)
    try:
        if KEY in metadata:
            return Card.from_json(metadata[KEY])
        sidecar = path.with_suffix(".card.json")
        if sidecar.is_file():
            return Card.from_json(sidecar.read_text("utf-8"))
    except (CardError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: {error}") from error
    raise CardError(
        f"{path} carries no card, so its labels and preprocessing are unknown; edgecnn never "
        f"guesses them. Export it with edgecnn, or describe it in {sidecar.name} beside it."
    )


def write_card(path: str | os.PathLike[str], card: Card) -> None:
    """Replace the card inside an ONNX file, atomically; everything else stays byte for byte."""
    path = existing_file(path)
    with path.open("rb") as file, replacing(path) as temporary, temporary.open("wb") as out:
        position = 0
        for field, start, end in _top_level(file, path):
            keep = True
            if field == _METADATA:
                file.seek(start)
                keep = _pair(file.read(end - start), path)[0] != KEY
            file.seek(position)
            if keep:
                _copy(file, out, end - position)
            position = end
        body = _bytes_field(1, KEY.encode()) + _bytes_field(2, card.to_json().encode())
        out.write(_bytes_field(_METADATA, body))


def existing_file(path: str | os.PathLike[str]) -> Path:
    """`path` as a Path, or one clear line if there is no such file."""
    path = Path(path)
    if path.is_dir():
        raise EdgecnnError(f"{path} is a folder; expected a file.")
    if not path.is_file():
        raise EdgecnnError(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise EdgecnnError(f"{path} is empty.")
    return path


def _top_level(file: BinaryIO, path: Path) -> Iterator[tuple[int, int, int]]:
    """(field number, start of the payload, end of the payload) of each top-level field."""
    size = os.fstat(file.fileno()).st_size
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(20)
        tag, used = _varint(header, 0, path)
        wire, start = tag & 7, position + used
        if tag >> 3 == 0:
            raise _foreign(path)
        if wire == 0:
            end = position + _varint(header, used, path)[1]
        elif wire == 2:
            length, used = _varint(header, used, path)
            start = position + used
            end = start + length
        elif wire in (1, 5):
            end = start + (8 if wire == 1 else 4)
        else:
            raise _foreign(path)
        if end > size:
            if position == 0 or tag >> 3 != _GRAPH:
                raise _foreign(path)
            raise EdgecnnError(
                f"{path} is truncated: its graph needs {end} bytes, the file has {size}. "
                "Copy or export it again."
            )
        yield tag >> 3, start, end
        position = end


def _foreign(path: Path) -> EdgecnnError:
    return EdgecnnError(f"{path} is not an ONNX model, or it is damaged.")


def _varint(data: bytes, at: int, path: Path) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
        shift += 7
    raise _foreign(path)


def _pair(body: bytes, path: Path) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    texts = {1: b"", 2: b""}
    at = 0
    while at < len(body):
        tag, at = _varint(body, at, path)
        length, at = _varint(body, at, path)
        if tag & 7 != 2 or at + length > len(body):
            raise _foreign(path)
        texts[tag >> 3] = body[at : at + length]
        at += length
    try:
        return texts[1].decode(), texts[2].decode()
    except UnicodeDecodeError as error:
        raise _foreign(path) from error


def _bytes_field(number: int, payload: bytes) -> bytes:
    return _encode(number << 3 | 2) + _encode(len(payload)) + payload


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _copy(source: BinaryIO, out: BinaryIO, length: int) -> None:
    while length:
        chunk = source.read(min(length, 1 << 20))
        if not chunk:
            return
        out.write(chunk)
        length -= len(chunk)
