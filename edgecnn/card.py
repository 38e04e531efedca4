"""The Card: the contract an .onnx file carries (task, labels, preprocessing, decoding, proofs).

Stdlib only, so that every part and every machine can read it.
"""

from __future__ import annotations

import json
import math
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


class CardError(EdgecnnError):
    """A card that cannot be read or does not hold together."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How a frame becomes a batch: geometry, colour order, then `(pixel * scale - mean) / std`.

    size: (height, width) of the network's input, pixels.
    resize: "crop" cuts the largest centred region of the target's aspect ratio times
        `crop_fraction` and scales it; "stretch" scales both axes on their own; "letterbox"
        scales to fit and pads with `pad_value` (0-255).
    interpolation: used for shrinking; "area" averages all pixels covered (and is linear when
        enlarging).
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
        _freeze(self, size=_ints(self.size, "size"), mean=_floats(self.mean, "mean"),
                std=_floats(self.std, "std"))  # fmt: skip
        if len(self.size) != 2 or not all(1 <= side <= 16384 for side in self.size):
            raise CardError(f"preprocess.size is {self.size}; expected (height, width), 1-16384.")
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
        _number("preprocess.crop_fraction", self.crop_fraction)
        if not 0 < self.crop_fraction <= 1:
            raise CardError(f"preprocess.crop_fraction is {self.crop_fraction}; expected (0, 1].")
        if not all(self.std) or not self.scale:
            raise CardError("preprocess.std and preprocess.scale must not be 0.")
        if isinstance(self.pad_value, bool) or not isinstance(self.pad_value, int):
            raise CardError(f"preprocess.pad_value is {self.pad_value!r}; expected 0-255.")
        if not 0 <= self.pad_value <= 255:
            raise CardError(f"preprocess.pad_value is {self.pad_value}; expected 0-255.")

    @property
    def channels(self) -> int:
        """Channels of the network's input: 1 for gray, else 3."""
        return 1 if self.color == "gray" else 3


@dataclass(frozen=True, kw_only=True)
class Proof:
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
        if isinstance(self.samples, bool) or not isinstance(self.samples, int) or self.samples < 1:
            raise CardError(f"proof.samples is {self.samples!r}; expected a whole number above 0.")
        for name in ("agreement", "accuracy_before", "accuracy_after"):
            value = getattr(self, name)
            if value is None and name != "agreement":
                continue
            _number(f"proof.{name}", value)
            if not 0 <= value <= 1:
                raise CardError(f"proof.{name} is {value}; expected 0 to 1.")
        if self.max_error is not None:
            _number("proof.max_error", self.max_error)
        _freeze(self, details=_mapping(self.details, "proof.details"))


@dataclass(frozen=True, kw_only=True)
class Card:
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
        _freeze(self, labels=tuple(self.labels), proofs=tuple(self.proofs),
                decode=_mapping(self.decode, "decode"),
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
        """The card as JSON text (UTF-8 safe, no NaN)."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card.

        Raises:
            CardError: not JSON, a newer major version, a missing or impossible value.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CardError(f"the card is not JSON: {error}.") from error
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
    if not isinstance(version, str):
        raise CardError(f"the card's version is {_brief(version)}; expected text such as '1.0'.")
    major, _, minor = version.partition(".")
    if not (
        major.isascii()
        and major.isdigit()
        and (minor or "0").isascii()
        and (minor or "0").isdigit()
    ):
        raise CardError(f"the card's version is {_brief(version)}; expected text such as '1.0'.")
    if int(major) > VERSION[0]:
        raise CardError(
            f"the card has version {version}, this edgecnn reads up to {VERSION[0]}.x: "
            "install a newer edgecnn."
        )


def _plain(item: Card | Preprocess | Proof) -> dict[str, Any]:
    body = {f.name: getattr(item, f.name) for f in fields(item) if f.name != "extra"}
    body = {k: dict(v) if isinstance(v, Mapping) else v for k, v in body.items()}
    body = {k: list(v) if isinstance(v, tuple) else v for k, v in body.items()}
    return {**body, **item.extra}


def _freeze(item: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(item, name, value)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CardError(f"{what} is {_brief(value)}; expected a JSON object.")
    return MappingProxyType(dict(value))


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


def _number(what: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CardError(f"{what} is {_brief(value)}; expected a finite number.")


def _text(what: str, value: Any) -> None:
    if not isinstance(value, str):
        raise CardError(f"{what} is {_brief(value)}; expected text.")


def _choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CardError(f"{what} is {_brief(value)}; expected one of {', '.join(choices)}.")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
