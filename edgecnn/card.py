"""The Card: the contract an .onnx file carries (task, labels, preprocessing, decoding, proofs).

Stdlib only, so that every part and every machine can read it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

from edgecnn.errors import EdgecnnError

KEY = "edgecnn.card"
VERSION = (1, 0)
RESIZE = ("crop", "stretch", "letterbox")
INTERPOLATION = ("area", "linear", "cubic", "nearest")
COLOR = ("rgb", "bgr", "gray")
LAYOUT = ("nchw", "nhwc")
DTYPE = ("float32", "uint8")
_DEPTH = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LARGEST = sys.float_info.max
_FLOAT32_MAX = 3.4e38


class CardError(EdgecnnError):
    """A card that cannot be read or does not hold together."""


class _Part:
    """Can be pickled and copied, which its read-only mappings alone cannot."""

    def __reduce__(self) -> tuple[Any, ...]:
        part: Any = self
        return _build, (type(part), _plain(part), "the pickle")


@dataclass(frozen=True, kw_only=True)
class Preprocess(_Part):
    """How a frame becomes a batch: geometry, colour order, then `(pixel * scale - mean) / std`.

    size: (height, width) of the network's input, pixels.
    resize: "crop" cuts the largest centred region of the target's aspect ratio times
        `crop_fraction` and scales it; "stretch" scales both axes on their own; "letterbox"
        scales to fit and pads with `pad_value` (0-255).
    interpolation: used for shrinking; "area" averages all pixels covered, an even frame first
        by halves down to less than twice `size` (and is linear when enlarging).
    mean, std: one value per channel, in the units of `pixel * scale`.
    """

    size: tuple[int, int]
    resize: str = "crop"
    crop_fraction: float = 1.0
    interpolation: str = "area"
    pad_value: int = 0
    color: str = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    layout: str = "nchw"
    dtype: str = "float32"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _freeze(self, size=_ints(self.size, "preprocess.size"),
                mean=_floats(self.mean, "preprocess.mean"),
                std=_floats(self.std, "preprocess.std"), extra=_extra(self))  # fmt: skip
        if len(self.size) != 2 or not all(1 <= side <= 16384 for side in self.size):
            raise CardError(
                f"preprocess.size is {_brief(self.size)}; expected (height, width), 1-16384."
            )
        _choice("preprocess.resize", self.resize, RESIZE)
        _choice("preprocess.interpolation", self.interpolation, INTERPOLATION)
        _choice("preprocess.color", self.color, COLOR)
        _choice("preprocess.layout", self.layout, LAYOUT)
        _choice("preprocess.dtype", self.dtype, DTYPE)
        for name in ("mean", "std"):
            if len(getattr(self, name)) != self.channels:
                raise CardError(
                    f"preprocess.{name} has {len(getattr(self, name))} values; "
                    f"expected {self.channels} for color {self.color!r}."
                )
        _number("preprocess.scale", self.scale)
        _number("preprocess.crop_fraction", self.crop_fraction, 0.001, 1)
        _freeze(self, scale=float(self.scale), crop_fraction=float(self.crop_fraction))
        if not all(self.std) or not self.scale:
            raise CardError("preprocess.std and preprocess.scale must not be 0.")
        largest = max(
            abs(255 * self.scale / std) + abs(mean / std)
            for mean, std in zip(self.mean, self.std, strict=True)
        )
        if largest > _FLOAT32_MAX:
            raise CardError(
                f"preprocess.scale, mean and std make values of {largest:.1e}; expected at most "
                f"{_FLOAT32_MAX:.1e}, the largest float32."
            )
        _whole("preprocess.pad_value", self.pad_value, 0, 255)

    @property
    def channels(self) -> int:
        """Channels of the network's input: 1 for gray, else 3."""
        return 1 if self.color == "gray" else 3


@dataclass(frozen=True, kw_only=True)
class Proof(_Part):
    """One conversion, measured: `target` was compared with `source` from image to prediction.

    agreement: share of samples with the same top-1 prediction, 0-1.
    max_error: largest absolute difference of any output value.
    accuracy_before, accuracy_after: top-1 on labelled samples, 0-1, or None without labels.
    """

    kind: str
    source: str
    target: str
    samples: int
    agreement: float
    max_error: float | None = None
    accuracy_before: float | None = None
    accuracy_after: float | None = None
    date: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("kind", "source", "target", "date"):
            _text(f"proof.{name}", getattr(self, name))
        _whole("proof.samples", self.samples, 1, 2**53)
        for name in ("agreement", "accuracy_before", "accuracy_after"):
            value = getattr(self, name)
            if value is not None or name == "agreement":
                _number(f"proof.{name}", value, 0, 1)
        if self.max_error is not None:
            _number("proof.max_error", self.max_error, 0)
        _freeze(self, details=_mapping(self.details, "proof.details"), extra=_extra(self))


@dataclass(frozen=True, kw_only=True)
class Card(_Part):
    """The contract in the ONNX file, under the metadata key "edgecnn.card".

    decode: what the task needs, e.g. {"activation": "softmax"} for logits.
    provenance: architecture, data, versions, hash of the weights, licence.
    extra: fields of a newer minor version; kept and written back.
    """

    name: str
    task: str
    preprocess: Preprocess
    labels: tuple[str, ...] = ()
    decode: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    proofs: tuple[Proof, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _text("name", self.name)
        _text("task", self.task)
        if not self.name or not self.task:
            raise CardError("name and task must not be empty.")
        if not isinstance(self.preprocess, Preprocess):
            raise CardError("preprocess is missing.")
        if isinstance(self.labels, str) or not isinstance(self.labels, Sequence):
            raise CardError(f"labels is {_brief(self.labels)}; expected a list of names.")
        for label in self.labels:
            _text("labels", label)
        if not all(isinstance(proof, Proof) for proof in self.proofs):
            raise CardError(f"proofs is {_brief(self.proofs)}; expected a list of proofs.")
        _freeze(self, labels=tuple(self.labels), proofs=tuple(self.proofs),
                decode=_mapping(self.decode, "decode"), extra=_extra(self, "version"),
                provenance=_mapping(self.provenance, "provenance"))  # fmt: skip

    def with_proof(self, proof: Proof) -> Card:
        """A copy with one more proof at the end."""
        return replace(self, proofs=(*self.proofs, proof))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, version first."""
        body = _plain(self)
        body["preprocess"] = _plain(self.preprocess)
        body["proofs"] = [_plain(proof) for proof in self.proofs]
        return {"version": f"{VERSION[0]}.{VERSION[1]}", **body}

    def to_json(self, indent: int | None = None) -> str:
        """The card as JSON text (UTF-8 safe, no NaN).

        Raises:
            CardError: decode, provenance, details or extra hold what JSON cannot express.
        """
        return _dump(self.to_dict(), indent)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card.

        Raises:
            CardError: not JSON, a newer major version, a missing or impossible value.
        """
        try:
            data = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise CardError(f"the card is not JSON: {error}.") from error
        # What is read can be written again: no NaN, no 1e999, no lone surrogate.
        _dump(data, None)
        data = dict(_mapping(data, "the card"))
        _check_version(data.pop("version", None))
        data["preprocess"] = _build(Preprocess, data.get("preprocess"), "preprocess")
        proofs = data.get("proofs", [])
        if not isinstance(proofs, list):
            raise CardError(f"proofs is {_brief(proofs)}; expected a list.")
        data["proofs"] = tuple(_build(Proof, proof, "proof") for proof in proofs)
        return _build(cls, data, "the card")


_T = TypeVar("_T", Card, Preprocess, Proof)


def _build(kind: type[_T], data: Any, what: str) -> _T:
    """`kind` from a mapping; unknown fields go to `extra`."""
    data = dict(_mapping(data, what))
    known = {f.name for f in fields(kind)} - {"extra"}
    extra = {key: data.pop(key) for key in list(data) if key not in known}
    try:
        return kind(**data, extra=MappingProxyType(extra))
    except TypeError as error:
        missing = str(error).rpartition(": ")[2] if "missing" in str(error) else str(error)
        raise CardError(f"{what} lacks {missing}.") from error


def _check_version(version: Any) -> None:
    text = version if isinstance(version, str) else ""
    found = re.fullmatch(r"(\d{1,6})(\.\d{1,6})?", text, re.ASCII)
    if not found:
        raise CardError(f"the card's version is {_brief(version)}; expected text such as '1.0'.")
    if int(found[1]) > VERSION[0]:
        raise CardError(
            f"the card has version {version}, this edgecnn reads up to {VERSION[0]}.x: "
            "install a newer edgecnn."
        )


def _plain(item: Card | Preprocess | Proof) -> dict[str, Any]:
    body = {f.name: getattr(item, f.name) for f in fields(item) if f.name != "extra"}
    body = {k: dict(v) if isinstance(v, Mapping) else v for k, v in body.items()}
    body = {k: list(v) if isinstance(v, tuple) else v for k, v in body.items()}
    return {**body, **item.extra}


def _dump(data: Any, indent: int | None) -> str:
    try:
        _check_depth(data)
        text = json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CardError(f"the card cannot be expressed in JSON: {error}.") from error
    return text


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list | tuple)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise CardError(f"the card is nested more than {_DEPTH} levels deep.")


def _freeze(item: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(item, name, value)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CardError(f"{what} is {_brief(value)}; expected a JSON object.")
    for key in value:
        _text(f"a key of {what}", key)
    return MappingProxyType(dict(value))


def _extra(item: Any, *reserved: str) -> Mapping[str, Any]:
    extra = _mapping(item.extra, "extra")
    taken = extra.keys() & {*reserved, *(f.name for f in fields(item) if f.name != "extra")}
    if taken:
        raise CardError(f"extra holds {', '.join(sorted(taken))}; expected unknown fields only.")
    return extra


def _ints(value: Any, what: str) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise CardError(f"{what} is {_brief(value)}; expected a list of whole numbers.")
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        raise CardError(f"{what} is {_brief(value)}; expected whole numbers.")
    return tuple(value)


def _floats(value: Any, what: str) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise CardError(f"{what} is {_brief(value)}; expected a list of numbers.")
    for v in value:
        _number(what, v)
    return tuple(float(v) for v in value)


def _number(what: str, value: Any, low: float = -_LARGEST, high: float = _LARGEST) -> None:
    # Not math.isfinite: it fails on a whole number too large for a float.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        least = "" if low == -_LARGEST else f" from {low:g}"
        allowed = f"a finite number{least}" + ("" if high == _LARGEST else f" to {high:g}")
        raise CardError(f"{what} is {_brief(value)}; expected {allowed}.")


def _whole(what: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise CardError(f"{what} is {_brief(value)}; expected a whole number from {low} to {high}.")


def _text(what: str, value: Any) -> None:
    if not isinstance(value, str):
        raise CardError(f"{what} is {_brief(value)}; expected text.")
    # A terminal would obey them.
    if _CONTROL.search(value):
        raise CardError(f"{what} is {_brief(value)}; expected text without control characters.")


def _choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CardError(f"{what} is {_brief(value)}; expected one of {', '.join(choices)}.")


def _brief(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= 60 else text[:57] + "..."
