"""Preprocessing against Pillow, hand-made numbers and closed forms."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from edgecnn.card import Preprocess
from edgecnn.errors import EdgecnnError
from edgecnn.export.check import probe_frames
from edgecnn.runtime.preprocess import preprocess

PLAIN = Preprocess(size=(4, 6), resize="stretch", scale=1.0)


def test_a_pixel_is_scaled_then_normalised_per_rgb_channel() -> None:
    how = Preprocess(size=(1, 1), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    bgr = np.array([[[10, 100, 200]]], np.uint8)
    expected = [
        (200 / 255 - 0.485) / 0.229,
        (100 / 255 - 0.456) / 0.224,
        (10 / 255 - 0.406) / 0.225,
    ]
    np.testing.assert_allclose(preprocess(bgr, how).ravel(), expected, rtol=1e-5)


@pytest.mark.parametrize(("color", "expected"), [("rgb", [3, 2, 1]), ("bgr", [1, 2, 3])])
def test_colour_order(color: str, expected: list[int]) -> None:
    how = Preprocess(size=(1, 1), color=color, scale=1.0)
    assert preprocess(np.array([[[1, 2, 3]]], np.uint8), how).ravel().tolist() == expected


def test_gray_uses_the_luma_weights_of_rec_601() -> None:
    how = Preprocess(size=(1, 1), color="gray", scale=1.0, mean=(0.0,), std=(1.0,))
    bgr = np.array([[[50, 100, 200]]], np.uint8)
    assert preprocess(bgr, how).item() == round(0.114 * 50 + 0.587 * 100 + 0.299 * 200)


def test_layout_and_dtype() -> None:
    frame = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    how = Preprocess(size=(4, 6), resize="stretch", color="bgr", layout="nhwc", dtype="uint8")
    batch = preprocess(frame, how)
    assert batch.shape == (1, 4, 6, 3)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[0], frame)


def test_area_averaging_of_whole_blocks_is_their_mean() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    blocks = frame.reshape(4, 2, 6, 2, 3).mean((1, 3))[..., ::-1].transpose(2, 0, 1)
    assert np.abs(preprocess(frame, PLAIN)[0] - blocks).max() <= 0.5


def test_halving_stops_at_odd_sizes_and_at_less_than_twice_the_size() -> None:
    rng = np.random.default_rng(0)
    for shape in ((15, 24), (7, 10)):
        frame = rng.integers(0, 256, (*shape, 3), np.uint8)
        once = cv2.resize(frame, (6, 4), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(
            preprocess(frame, PLAIN)[0], once[..., ::-1].transpose(2, 0, 1)
        )


def test_crop_takes_the_largest_centred_square() -> None:
    frame = np.zeros((100, 300, 3), np.uint8)
    frame[:, 100:200] = 255
    how = Preprocess(size=(50, 50), scale=1.0)
    assert (preprocess(frame, how) == 255).all()
    assert (preprocess(frame.transpose(1, 0, 2).copy(), how) == 255).all()


def test_crop_fraction_cuts_that_share_of_the_square() -> None:
    frame = np.zeros((200, 400, 3), np.uint8)
    frame[25:175, 125:275] = 255
    assert (
        preprocess(frame, Preprocess(size=(60, 60), crop_fraction=0.75, scale=1.0)) == 255
    ).all()


def test_letterbox_keeps_the_aspect_ratio_and_pads_with_the_given_value() -> None:
    frame = np.full((100, 200, 3), 200, np.uint8)
    how = Preprocess(size=(64, 64), resize="letterbox", pad_value=114, scale=1.0)
    plane = preprocess(frame, how)[0, 0]
    assert (plane[16:48] == 200).all()
    assert (plane[:16] == 114).all()
    assert (plane[48:] == 114).all()


def test_shrinking_agrees_with_pillow_on_real_pictures() -> None:
    # Pillow's HAMMING is an averaging filter too, a little softer than the box.
    how = Preprocess(size=(96, 96), resize="stretch", scale=1.0)
    compared = 0
    for name, frame in probe_frames():
        if min(frame.shape[:2]) < 96:
            continue
        rgb = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
        expected = np.asarray(rgb.resize((96, 96), Image.Resampling.HAMMING), np.float32)
        got = preprocess(np.asarray(frame), how)[0].transpose(1, 2, 0)
        assert np.abs(got - expected).mean() < 2, name
        compared += 1
    assert compared == 6


@pytest.mark.parametrize("shape", [(480, 640), (720, 1280), (1080, 1920), (450, 450)])
def test_halving_first_is_near_averaging_at_once(shape: tuple[int, int]) -> None:
    photo = next(np.asarray(frame) for name, frame in probe_frames() if name == "wide.jpg")
    frame = cv2.resize(photo, shape[::-1], interpolation=cv2.INTER_CUBIC)
    at_once = cv2.resize(frame, (112, 112), interpolation=cv2.INTER_AREA).astype(np.float32)
    how = Preprocess(size=(112, 112), resize="stretch", color="bgr", scale=1.0)
    error = np.abs(preprocess(frame, how)[0].transpose(1, 2, 0) - at_once)
    assert error.mean() < 2


def test_frames_of_different_sizes_share_a_batch_and_equal_themselves_alone() -> None:
    frames = [np.asarray(frame) for _, frame in probe_frames()]
    how = Preprocess(size=(64, 64))
    together = preprocess(frames, how)
    alone = np.concatenate([preprocess(frame, how) for frame in frames])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4,), np.uint8),
        "photo.jpg",
    ],
)
def test_what_is_no_frame_is_refused_with_what_was_got(frame: object) -> None:
    with pytest.raises(EdgecnnError, match="expected"):
        preprocess([frame], PLAIN)  # type: ignore[list-item]


def test_no_frame_at_all() -> None:
    with pytest.raises(EdgecnnError, match="at least one"):
        preprocess([], PLAIN)
