"""The Card: what goes into a file comes out again, and nothing impossible goes in."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import tiny_card, tiny_onnx

from edgecnn.card import (
    COLOR,
    DTYPE,
    INTERPOLATION,
    KEY,
    LAYOUT,
    RESIZE,
    Card,
    CardError,
    Preprocess,
    Proof,
)
from edgecnn.errors import EdgecnnError
from edgecnn.onnxfile import read_card, read_metadata, write_card

CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp"))
TEXT = st.text(CHARACTERS, max_size=8)
NAME = st.text(CHARACTERS, min_size=1, max_size=8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SHARE = st.floats(0, 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
# What a newer edgecnn may add: no name that this one knows.
FUTURE = st.dictionaries(st.sampled_from(["depth", "crs", "notes", "extra", "日本", ""]), JSON)


@st.composite
def preprocesses(draw: st.DrawFn) -> Preprocess:
    color = draw(st.sampled_from(COLOR))
    channels = 1 if color == "gray" else 3
    side = st.integers(1, 16384)
    return Preprocess(
        size=(draw(side), draw(side)),
        resize=draw(st.sampled_from(RESIZE)),
        crop_fraction=draw(st.floats(0.01, 1)),
        interpolation=draw(st.sampled_from(INTERPOLATION)),
        pad_value=draw(st.integers(0, 255)),
        color=color,
        scale=draw(st.floats(1e-6, 1e6)),
        mean=tuple(draw(st.lists(st.floats(-1e6, 1e6), min_size=channels, max_size=channels))),
        std=tuple(draw(st.lists(st.floats(1e-6, 1e6), min_size=channels, max_size=channels))),
        layout=draw(st.sampled_from(LAYOUT)),
        dtype=draw(st.sampled_from(DTYPE)),
        extra=draw(FUTURE),
    )


PROOFS = st.builds(
    Proof,
    kind=TEXT,
    source=TEXT,
    target=TEXT,
    samples=st.integers(1, 10**9),
    agreement=SHARE,
    max_error=st.none() | st.floats(0, 1e9),
    accuracy_before=st.none() | SHARE,
    accuracy_after=st.none() | SHARE,
    date=TEXT,
    details=OBJECT,
    extra=FUTURE,
)
CARDS = st.builds(
    Card,
    name=NAME,
    task=NAME,
    preprocess=preprocesses(),
    labels=st.lists(TEXT, max_size=4).map(tuple),
    decode=OBJECT,
    provenance=OBJECT,
    proofs=st.lists(PROOFS, max_size=2).map(tuple),
    extra=FUTURE,
)
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PROOF = Proof(kind="export", source="torch", target="onnx", samples=7, agreement=1.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx(tmp_path_factory.mktemp("card") / "tiny.onnx")


def as_dict(card: Card) -> dict[str, Any]:
    return dict(json.loads(card.to_json()))


@many
@given(CARDS)
def test_every_card_survives_json_pickle_and_copy(card: Card) -> None:
    assert Card.from_json(card.to_json()) == card
    assert Card.from_json(card.to_json(indent=2)) == card
    assert pickle.loads(pickle.dumps(card)) == card
    assert copy.deepcopy(card) == card


@many
@given(CARDS)
def test_every_card_survives_the_file_and_others_read_the_same(model: Path, card: Card) -> None:
    write_card(model, card)
    assert read_card(model) == card
    # protobuf's own parser, knowing nothing of ours
    entries = onnx.load(model, load_external_data=False).metadata_props
    assert [entry.key for entry in entries] == [KEY]
    assert Card.from_json(entries[0].value) == card


def test_onnxruntime_sees_the_same_card(model: Path) -> None:
    card = tiny_card(labels=("rojo", "緑", "blå")).with_proof(PROOF)
    write_card(model, card)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    seen = session.get_modelmeta().custom_metadata_map
    assert seen == read_metadata(model)
    assert json.loads(seen[KEY]) == as_dict(card)


@pytest.mark.parametrize("twice", [False, True])
def test_metadata_is_what_the_onnx_package_sees(tmp_path: Path, twice: bool) -> None:
    path = tiny_onnx(tmp_path / "m.onnx", card=False)
    made = onnx.load(path)
    for key, value in [("author", "Ångström"), ("empty", ""), *([("author", "2")] * twice)]:
        entry = made.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(made, path)
    theirs = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert read_metadata(path) == theirs
    assert theirs["author"] == ("2" if twice else "Ångström")


def test_fields_of_a_newer_minor_version_are_kept_at_every_level_and_written_back(
    model: Path,
) -> None:
    data = as_dict(tiny_card().with_proof(PROOF))
    data["version"] = "1.7"
    data["calibrated"] = {"by": ["a", 1]}
    data["preprocess"]["gamma"] = 2.2
    data["proofs"][0]["witness"] = None
    card = Card.from_json(json.dumps(data))
    assert card.extra == {"calibrated": {"by": ["a", 1]}}
    assert card.preprocess.extra == {"gamma": 2.2}
    assert card.proofs[0].extra == {"witness": None}
    write_card(model, card.with_proof(PROOF))
    written = json.loads(read_metadata(model)[KEY])
    assert written["calibrated"] == {"by": ["a", 1]}
    assert written["preprocess"]["gamma"] == 2.2
    assert written["proofs"][0]["witness"] is None
    assert len(written["proofs"]) == 2


def test_a_newer_major_version_is_refused_with_the_remedy() -> None:
    data = {**as_dict(tiny_card()), "version": "2.0"}
    with pytest.raises(CardError) as caught:
        Card.from_json(json.dumps(data))
    assert str(caught.value) == (
        "the card has version 2.0, this edgecnn reads up to 1.x: install a newer edgecnn."
    )


@pytest.mark.parametrize(
    "version", [None, 1, 1.0, "", "one", "1.", "1.0.0", "-1.0", "²", "9" * 5000]
)
def test_a_version_that_is_none_is_refused(version: Any) -> None:
    with pytest.raises(CardError, match="the card's version is"):
        Card.from_json(json.dumps({**as_dict(tiny_card()), "version": version}))


IMPOSSIBLE: dict[str, list[Any]] = {
    "name": ["", None, 3, ["x"], "two\nlines", "\x1b[2J"],
    "task": ["", None, {}],
    "labels": ["cat", None, 3, {"a": 1}, ["a", 2], [None], ["a\x07", "b", "c"], ["a\u2028"]],
    "decode": [None, [], "softmax"],
    "provenance": [None, "mine"],
    "proofs": [None, {}, "none", [1], [None], [{}]],
    "preprocess": [None, [], "crop", {}],
    "preprocess.size": [None, 224, "224", [], [224], [8, 8, 8], [0, 8], [8, -1], [8, 16385],
                        [8.0, 8.0], [True, True], [10**400, 8]],
    "preprocess.resize": [None, "", "zoom", 1, ["crop"]],
    "preprocess.crop_fraction": [None, 0, -0.5, 1.01, "1", True],
    "preprocess.interpolation": [None, "lanczos"],
    "preprocess.pad_value": [None, -1, 256, 1.5, True, "0", 10**400],
    "preprocess.color": [None, "RGB", "yuv"],
    "preprocess.scale": [None, 0, "1", True, 10**400, 1e300],
    "preprocess.mean": [None, "0", 0, [], [0, 0], [0] * 4, [0, 0, "0"], [0, 0, None],
                        [0, 0, 10**400], [0, 0, 1e300]],
    "preprocess.std": [None, [1, 1], [1, 1, 0], [1, 1, True], [1, 1, 1e-300]],
    "preprocess.layout": [None, "chw"],
    "preprocess.dtype": [None, "float16", "uint16"],
    "proof.kind": [None, 1],
    "proof.source": [None, 1],
    "proof.target": [None, []],
    "proof.samples": [None, 0, -1, 1.0, True, "7", 10**400],
    "proof.agreement": [None, -0.1, 1.1, "1", True],
    "proof.max_error": ["0", -1e-9, True, 10**400],
    "proof.accuracy_before": [-0.1, 2, "1"],
    "proof.accuracy_after": [1.5, [], False],
    "proof.date": [None, 20261123],
    "proof.details": [None, [], "x"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in IMPOSSIBLE.items() for value in values],
    ids=lambda part: str(part)[:20],
)
def test_impossible_values_are_refused_by_name(field: str, value: Any) -> None:
    data = as_dict(tiny_card().with_proof(PROOF))
    where, _, last = field.rpartition(".")
    {"": data, "preprocess": data["preprocess"], "proof": data["proofs"][0]}[where][last] = value
    with pytest.raises(CardError) as caught:
        Card.from_json(json.dumps(data))
    message = str(caught.value)
    assert (last if field != "proofs" else "proof") in message
    assert "\n" not in message
    assert len(message) < 250


@pytest.mark.parametrize(
    ("where", "name"),
    [("", "name"), ("", "task"), ("", "preprocess"), ("preprocess", "size"),
     ("proof", "kind"), ("proof", "samples"), ("proof", "agreement")],
)  # fmt: skip
def test_what_is_missing_is_named(where: str, name: str) -> None:
    data = as_dict(tiny_card().with_proof(PROOF))
    del {"": data, "preprocess": data["preprocess"], "proof": data["proofs"][0]}[where][name]
    with pytest.raises(CardError, match=name):
        Card.from_json(json.dumps(data))


@pytest.mark.parametrize("name", ["labels", "decode", "provenance", "proofs"])
def test_what_may_be_missing_is_empty(name: str) -> None:
    data = as_dict(tiny_card())
    del data[name]
    assert not getattr(Card.from_json(json.dumps(data)), name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"provenance": {"loss": float("nan")}}, "cannot be expressed in JSON"),
        ({"provenance": {"loss": float("inf")}}, "cannot be expressed in JSON"),
        ({"provenance": {"made": object()}}, "cannot be expressed in JSON"),
        ({"labels": ("\ud800", "b", "c")}, "cannot be expressed in JSON"),
        ({"decode": {"a": json.loads("[" * 80 + "]" * 80)}}, "more than 64 levels"),
    ],
)
def test_what_json_cannot_express_is_not_written(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    path = tiny_onnx(tmp_path / "m.onnx")
    before = path.read_bytes()
    with pytest.raises(CardError, match=message):
        write_card(path, tiny_card(**fields))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_extra_cannot_overrule_what_was_checked() -> None:
    with pytest.raises(CardError, match="extra holds size"):
        Preprocess(size=(8, 8), extra={"size": [0, 0]})
    with pytest.raises(CardError, match="extra holds version"):
        tiny_card(extra={"version": "9.0"})


def test_a_card_cannot_be_changed() -> None:
    card = tiny_card()
    with pytest.raises(AttributeError):
        card.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        card.decode["activation"] = "none"  # type: ignore[index]


def test_writing_adds_the_card_and_changes_no_other_byte(tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "m.onnx", card=False)
    before = path.read_bytes()
    write_card(path, tiny_card())
    assert path.read_bytes()[: len(before)] == before
    added = onnx.ModelProto.FromString(path.read_bytes()[len(before) :])
    assert [field.name for field, _ in added.ListFields()] == ["metadata_props"]
    assert [entry.key for entry in added.metadata_props] == [KEY]


def test_writing_replaces_earlier_cards_wherever_they_stand(tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "m.onnx", card=False)
    graph = path.read_bytes()
    old = onnx.ModelProto()
    for key in (KEY, "author", KEY):
        entry = old.metadata_props.add()
        entry.key, entry.value = key, "earlier"
    entries = [onnx.ModelProto(metadata_props=[e]).SerializeToString() for e in old.metadata_props]
    # Protobuf lets fields stand in any order: here two cards before the graph, one after.
    path.write_bytes(entries[0] + entries[1] + graph + entries[2])
    write_card(path, tiny_card())
    written = path.read_bytes()
    assert written.startswith(entries[1] + graph)
    assert written.count(KEY.encode()) == 1
    assert read_card(path) == tiny_card()
    write_card(path, tiny_card())
    assert path.read_bytes() == written


def test_a_full_disk_leaves_the_earlier_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_onnx(tmp_path / "m.onnx")
    before = path.read_bytes()

    def full(source: Any, out: Any, length: int) -> None:
        out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgecnn.onnxfile._copy", full)
    with pytest.raises(EdgecnnError, match=r"cannot write .*m.onnx: No space left on device"):
        write_card(path, tiny_card(labels=("x", "y", "z")))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_card_may_stand_beside_a_foreign_file(tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "foreign.v2.onnx", card=False)
    with pytest.raises(
        CardError, match=r"carries no card.* describe it in foreign\.v2\.card\.json"
    ):
        read_card(path)
    sidecar = tmp_path / "foreign.v2.card.json"
    sidecar.write_text(tiny_card().to_json(indent=2), "utf-8")
    assert read_card(path) == tiny_card()
    # as Windows editors save it
    sidecar.write_text(tiny_card().to_json(), "utf-8-sig")
    assert read_card(path) == tiny_card()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{}", b"\x89PNG"])
def test_a_bad_card_beside_a_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tiny_onnx(tmp_path / "m.onnx", card=False)
    (tmp_path / "m.card.json").write_bytes(content)
    with pytest.raises(CardError, match=r"m\.card\.json"):
        read_card(path)


def test_the_card_inside_wins_over_the_one_beside(tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "m.onnx")
    (tmp_path / "m.card.json").write_text(tiny_card(labels=("x", "y", "z")).to_json())
    assert read_card(path).labels == ("red", "green", "blue")
