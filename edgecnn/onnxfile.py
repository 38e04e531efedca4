"""Read and write an ONNX file's metadata without an engine and without the onnx package.

ModelProto is a flat protobuf message: field 7 is the graph, field 14 holds the metadata as
key/value pairs. Walking it touches a few kilobytes of a file of any size, so `edgecnn card`
answers at once, and a truncated file, or one that wants to read other people's files, is
recognised before an engine sees it.
Source: onnx.proto3, https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgecnn.atomic import replacing
from edgecnn.card import KEY, Card, CardError
from edgecnn.errors import EdgecnnError, UsageError

_GRAPH, _METADATA = 7, 14
_METADATA_LIMIT = 16 * 2**20
# Every way from a model to a tensor: {message: {field number: message inside}}.
_INSIDE = {
    "model": {_GRAPH: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
# Protobuf's own limit.
_NESTED = 100


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The file's metadata as {key: value}.

    Raises:
        EdgecnnError: missing, empty, truncated, or not an ONNX file.
    """
    path = existing_file(path)
    found: dict[str, str] = {}
    graph_seen = False
    with path.open("rb") as file:
        for field, start, end in _fields(file, path):
            graph_seen |= field == _GRAPH
            if field == _METADATA:
                key, value = _pair(file, path, start, end)
                found[key] = value
    if not graph_seen:
        raise EdgecnnError(f"{path} is not an ONNX model: it has no graph.")
    return found


def read_card(path: str | os.PathLike[str]) -> Card:
    """The card inside an ONNX file, or in a `NAME.card.json` beside it.

    Raises:
        EdgecnnError: not an ONNX file, or one whose weights lie outside its folder.
        CardError: neither place has a card, or it does not hold together.
    """
    path = Path(path)
    metadata = read_metadata(path)
    check_external(path)
    sidecar = path.with_suffix(".card.json")
    if KEY in metadata:
        return _card(metadata[KEY], path)
    if sidecar.is_file():
        if sidecar.stat().st_size > _METADATA_LIMIT:
            raise CardError(f"{sidecar} is larger than the limit of 16 MiB.")
        try:
            # Editors on Windows begin a file with a mark; JSON does not know it.
            return _card(sidecar.read_text("utf-8-sig"), sidecar)
        except UnicodeDecodeError as error:
            raise CardError(f"{sidecar} is no UTF-8 text: {error.reason}.") from error
    raise CardError(
        f"{path} carries no card, so its labels and preprocessing are unknown; edgecnn never "
        f"guesses them. Export it with edgecnn, or describe it in {sidecar.name} beside it."
    )


def write_card(path: str | os.PathLike[str], card: Card) -> None:
    """Replace the card inside an ONNX file, atomically; everything else stays byte for byte.

    Raises:
        EdgecnnError: not an ONNX file, or its folder cannot be written.
        CardError: the card is larger than 16 MiB.
    """
    path = existing_file(path)
    read_metadata(path)
    body = _bytes_field(1, KEY.encode()) + _bytes_field(2, card.to_json().encode())
    if len(body) > _METADATA_LIMIT:
        raise CardError(f"the card has {len(body)} bytes; limit 16 MiB.")
    with path.open("rb") as file, replacing(path) as temporary, temporary.open("wb") as out:
        position = 0
        for field, start, end in _fields(file, path):
            keep = field != _METADATA or _pair(file, path, start, end)[0] != KEY
            file.seek(position)
            if keep:
                _copy(file, out, end - position)
            position = end
        out.write(_bytes_field(_METADATA, body))


def check_external(path: Path) -> None:
    """Refuse a model whose weights are to be read from outside its own folder.

    Engines of 2024 read `../secret.bin`, absolute paths and symbolic links without a word.

    Raises:
        EdgecnnError: such a file, or a missing one, or a damaged model.
    """
    folder = os.path.realpath(path.parent)
    with path.open("rb") as file:
        for location in _external(file, path):
            # An engine in C would read the name up to a zero byte only.
            target = Path(os.path.realpath(Path(folder, location.replace("\0", "/"))))
            if "\0" in location or not target.is_relative_to(folder):
                raise EdgecnnError(
                    f"{path} wants to read {location!r}, outside its folder; that is refused. "
                    "A model is one file, or has its weights beside it."
                )
            # Not Path.is_file: it raises where a name is longer than the system allows.
            if not os.path.isfile(target):  # noqa: PTH113
                raise EdgecnnError(
                    f"{path} lacks the file {location!r} with its weights. Copy it beside the "
                    "model, or export to one file."
                )


def onnx_name(path: str | os.PathLike[str]) -> Path:
    """`path` as a Path, if an ONNX file may be called so.

    Raises:
        UsageError: it does not end in .onnx, so that no engine would open it later.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise UsageError(f"{path} is no name for an ONNX file; expected one that ends in .onnx.")
    return path


def existing_file(path: str | os.PathLike[str]) -> Path:
    """`path` as a Path.

    Raises:
        EdgecnnError: missing, empty, a folder, a device or not to be read by this user.
    """
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise EdgecnnError(f"{path}: no such file.") from error
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise EdgecnnError(f"{str(path)[:200]!r} names no file: {cause}.") from error
    if stat.S_ISDIR(found.st_mode):
        raise EdgecnnError(f"{path} is a folder; expected a file.")
    if not stat.S_ISREG(found.st_mode):
        raise EdgecnnError(f"{path} is a device or a pipe; expected a file.")
    if found.st_size == 0:
        raise EdgecnnError(f"{path} is empty.")
    if not os.access(path, os.R_OK):
        raise EdgecnnError(f"{path} may not be read by this user. See `ls -l {path}`.")
    return path


def _external(file: BinaryIO, path: Path) -> Iterator[str]:
    """Where the tensors lie that are not inside the file."""
    walks = [("model", _fields(file, path))]
    while walks:
        kind, walk = walks[-1]
        field, start, end = next(walk, (-1, 0, 0))
        inside = _INSIDE[kind].get(field)
        if field < 0:
            walks.pop()
        elif inside == "external":
            key, value = _pair(file, path, start, end)
            if key == "location":
                yield value
        elif inside:
            if len(walks) == _NESTED:
                raise _foreign(path)
            walks.append((inside, _fields(file, path, start, end)))


def _fields(
    file: BinaryIO, path: Path, position: int = 0, limit: int | None = None
) -> Iterator[tuple[int, int, int]]:
    """(number, start of the payload, end of the payload) of each field of a message.

    The number is 0 for whatever is no text, no bytes and no message.
    """
    whole = limit is None
    limit = os.fstat(file.fileno()).st_size if limit is None else limit
    while position < limit:
        file.seek(position)
        header = file.read(min(20, limit - position))
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
        if end > limit:
            if not whole or position == 0 or tag >> 3 != _GRAPH:
                raise _foreign(path)
            raise EdgecnnError(
                f"{path} is truncated: its graph needs {end} bytes, the file has {limit}. "
                "Copy or export it again."
            )
        yield (tag >> 3 if wire == 2 else 0), start, end
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


def _card(text: str, path: Path) -> Card:
    try:
        return Card.from_json(text)
    except CardError as error:
        raise CardError(f"{path}: {error}") from error


def _pair(file: BinaryIO, path: Path, start: int, end: int) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    if end - start > _METADATA_LIMIT:
        raise EdgecnnError(f"{path}: a metadata entry of {end - start} bytes; limit 16 MiB.")
    file.seek(start)
    body = file.read(end - start)
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
