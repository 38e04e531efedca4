"""Sources: whatever the file, a frame equal to Pillow's decoding, or one clear line."""

from __future__ import annotations

import importlib.metadata
import io
import pickle
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime import quiet, sources
from edgecnn.runtime.sources import (
    Frame,
    UnreadableWarning,
    count,
    fps,
    frames,
    is_video,
    photo,
    video,
)

# 40×30 with broad colour changes: JPEG's losses stay small, every corner differs.
_SMALL = np.random.default_rng(7).integers(0, 255, (4, 5, 3), np.uint8)
RGB = cv2.resize(_SMALL, (40, 30), interpolation=cv2.INTER_LINEAR)
SCENE = Image.fromarray(RGB)
EXACT = {"PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "WEBP": {"lossless": True}}


def encoded(picture: Image.Image, content: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, content, **options)
    return out.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    """The independent reference: upright, 3 channels, BGR."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return np.asarray(picture.convert("RGB"))[:, :, ::-1]


def difference(frame: np.ndarray, reference: np.ndarray) -> int:
    assert frame.shape == reference.shape
    return int(np.abs(frame.astype(int) - reference).max())


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def one_line(error: pytest.ExceptionInfo[EdgecnnError]) -> str:
    text = str(error.value)
    assert text and "\n" not in text
    return text


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def write_video(path: Path, number: int = 20, codec: str = "mp4v", rate: float = 12.5) -> Path:
    """Frames of 64×48 whose grey is 10 × index."""
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, (64, 48)
    )
    for index in range(number):
        writer.write(np.full((48, 64, 3), 10 * index, np.uint8))
    writer.release()
    return path


# ------------------------------------------------------------------- pictures


@pytest.mark.smoke
@pytest.mark.parametrize("content", EXACT)
def test_lossless_formats_equal_pillow(content, file):
    frame = photo.read_photo(file("scene.bin", encoded(SCENE, content, **EXACT[content])))
    assert difference(frame, RGB[:, :, ::-1]) == 0
    assert (frame.dtype, frame.index, frame.time_s) == (np.uint8, 0, 0.0)
    assert frame.source.endswith("scene.bin")


@pytest.mark.parametrize("content", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_equals_pillow(content, orientation, file):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(SCENE, content, exif=exif, **EXACT.get(content, {}))
    frame = photo.read_photo(file("scene", data))
    assert frame.shape == ((30, 40, 3) if orientation < 5 else (40, 30, 3))
    assert difference(frame, by_pillow(data)) <= (1 if content == "JPEG" else 0)


@pytest.mark.parametrize(
    ("mode", "content"),
    [
        *[(mode, "PNG") for mode in ("L", "LA", "P", "1", "RGBA")],
        *[("L", "JPEG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("L", "TIFF"), ("L", "PPM")],
    ],
)
def test_every_mode_becomes_three_bgr_channels(mode, content, file):
    data = encoded(SCENE.convert(mode), content)
    assert difference(photo.read_photo(file("scene", data)), by_pillow(data)) <= 1


def test_alpha_is_dropped_and_the_colour_under_it_shows(file):
    see_through = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    data = encoded(Image.fromarray(see_through, "RGBA"), "PNG")
    assert difference(photo.read_photo(file("a.png", data)), RGB[:, :, ::-1]) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_keep_their_upper_eight(channels, file):
    deep = np.random.default_rng(1).integers(0, 2**16, (20, 30, channels), np.uint16)
    frame = photo.read_photo(file("deep.png", cv2.imencode(".png", deep)[1].tobytes()))
    assert difference(frame, np.broadcast_to(deep >> 8, (20, 30, 3))) <= 1


def test_bytes_after_the_end_marker_are_allowed(file):
    jpeg, png = encoded(SCENE, "JPEG"), encoded(SCENE, "PNG")
    trailer = b"maker's trailer" + jpeg[: len(jpeg) // 2]
    assert difference(photo.read_photo(file("a.jpg", jpeg + trailer)), by_pillow(jpeg)) <= 1
    assert difference(photo.read_photo(file("a.png", png + trailer)), by_pillow(png)) == 0


def test_png_with_a_broken_colour_profile_is_read_without_a_word(file, capfd):
    png = encoded(SCENE, "PNG")
    profile = chunk(b"iCCP", b"bad\0\0" + zlib.compress(b"no profile"))
    frame = photo.read_photo(file("a.png", png[:33] + profile + png[33:]))
    assert difference(frame, RGB[:, :, ::-1]) == 0
    assert capfd.readouterr().err == ""


def huge(content: str) -> bytes:
    """A header of 20,000×20,000 pixels with next to nothing behind it."""
    side = 20_000
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    entries = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (277, 3, 1, 3)]
    return {
        "PNG": png + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b""),
        "JPEG": b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", side, side) + b"\x03" * 10,
        "BMP": b"BM" + bytes(12) + struct.pack("<Iii", 40, side, -side) + bytes(30),
        "OS/2 BMP": b"BM" + bytes(12) + struct.pack("<IHH", 12, side, side) + bytes(30),
        "WebP": b"RIFF\x30\0\0\0WEBPVP8X\x0a\0\0\0"
        + bytes(4)
        + struct.pack("<I", side - 1)[:3] * 2,
        "TIFF": b"II*\0\x08\0\0\0\x04\0" + b"".join(struct.pack("<HHII", *e) for e in entries),
        "PNM": b"P6\n# big\n20000 20000\n255\n",
    }[content]


@pytest.mark.smoke
@pytest.mark.parametrize("content", ["PNG", "JPEG", "BMP", "OS/2 BMP", "WebP", "TIFF", "PNM"])
def test_four_hundred_megapixels_are_refused_before_decoding(content, file, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the decoder was called"))
    bomb = file("bomb", huge(content))
    start = time.perf_counter()
    with pytest.raises(EdgecnnError, match=r"20000×20000 = 400 megapixels; the limit is 100") as e:
        photo.read_photo(bomb)
    assert time.perf_counter() - start < 0.1
    one_line(e)


def test_check_header_gives_the_stored_size(file):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert photo.check_header(file("a.jpg", encoded(SCENE, "JPEG", exif=exif))) == (30, 40)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.jpg", b"", "is empty"),
        ("note.jpg", b"not a picture at all\n", "not a picture but text"),
        ("paper.png", b"%PDF-1.7\n\0", "not a picture but PDF"),
        ("phone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0", "in HEIC, which is not read. Convert"),
        ("noise.png", bytes(range(128, 256)), "not a picture, or it is damaged"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "header tells no size"),
        ("head.jpg", b"\xff\xd8\xff", "header tells no size"),
        ("zero.ppm", b"P6\n0 10\n255\n", "header tells no size"),
        ("clip.jpg", b"\0\0\0\x18ftypisom\0\0\0\0", "not a picture but MP4 video"),
    ],
)
def test_what_is_no_picture_gives_one_clear_line(name, data, says, file):
    with pytest.raises(EdgecnnError, match=says) as error:
        photo.read_photo(file(name, data))
    assert name in one_line(error)


def test_missing_file_and_folder_give_one_clear_line(tmp_path):
    with pytest.raises(EdgecnnError, match="no such file"):
        photo.read_photo(tmp_path / "cat.jpg")
    with pytest.raises(EdgecnnError, match="is a folder"):
        photo.read_photo(tmp_path)
    with pytest.raises(EdgecnnError, match="no such file or folder"):
        frames(tmp_path / "cat.jpg")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
    ],
)
def test_every_truncation_is_refused(content, options, file):
    data = encoded(SCENE, content, **options)
    for end in [*range(1, len(data), 1 + len(data) // 60), len(data) - 1]:
        with pytest.raises(EdgecnnError) as error:
            photo.read_photo(file("cut", data[:end]))
        one_line(error)


def test_a_thumbnail_does_not_hide_that_the_jpeg_is_cut(file):
    """The thumbnail in the EXIF segment has an end marker of its own."""
    jpeg = encoded(SCENE, "JPEG")
    body = b"Exif\0\0" + jpeg
    whole = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
    assert difference(photo.read_photo(file("a.jpg", whole)), by_pillow(jpeg)) <= 1
    with pytest.raises(EdgecnnError, match=r"truncated: its end marker is missing. Copy it again"):
        photo.read_photo(file("a.jpg", whole[:-200]))


def test_damage_inside_the_data_is_refused(file):
    noise = np.random.default_rng(3).integers(0, 255, (200, 200, 3), np.uint8)
    jpeg = bytearray(encoded(Image.fromarray(noise), "JPEG"))
    jpeg[len(jpeg) // 2 : len(jpeg) // 2 + 2] = b"\xff\x5a"
    with pytest.raises(EdgecnnError, match="damaged: marker 5A inside the picture data"):
        photo.read_photo(file("a.jpg", bytes(jpeg)))
    png = bytearray(encoded(SCENE, "PNG"))
    png[60] ^= 1
    with pytest.raises(EdgecnnError, match="damaged: checksum of its IDAT chunk"):
        photo.read_photo(file("a.png", bytes(png)))


_MUTABLE = [
    encoded(SCENE, "JPEG"),
    encoded(SCENE, "JPEG", progressive=True),
    encoded(SCENE, "PNG"),
    encoded(SCENE.quantize(16), "PNG"),
    encoded(SCENE, "WEBP", exif=Image.Exif()),
    encoded(SCENE, "TIFF"),
    encoded(SCENE, "BMP"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(_MUTABLE)))
    for _ in range(draw(st.integers(1, 6))):
        near_head = draw(st.booleans())
        at = draw(st.integers(0, min(len(data), 64 if near_head else len(data)) - 1))
        patch = draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 4, bytes(4)]))
        length = draw(st.sampled_from([0, len(patch), 20]))
        data[at : at + length] = patch
    return bytes(data)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=mutated())
def test_mutated_pictures_are_read_or_refused_but_never_crash(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "mutated.bin"
    path.write_bytes(data)
    try:
        frame = photo.read_photo(path)
    except EdgecnnError as error:
        assert "\n" not in str(error)
    else:
        assert (frame.dtype, frame.ndim, frame.shape[2]) == (np.uint8, 3, 3)


# ------------------------------------------------------------ folders and globs


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ("b10.png", "b9.png", "A1.PNG", "trip/b1.png", ".hidden.png", ".cache/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(SCENE, "PNG"))
    (tmp_path / "notes.txt").write_text("sunny")
    return tmp_path


def names(found: Iterator[Frame], folder: Path) -> list[str]:
    return [str(Path(frame.source).relative_to(folder)) for frame in found]


def test_folder_gives_its_pictures_in_natural_order_then_its_subfolders(album):
    assert names(frames(album), album) == ["A1.PNG", "b9.png", "b10.png", "trip/b1.png"]
    assert [frame.index for frame in frames(f"folder://{album}")] == [0, 1, 2, 3]
    assert (count(album), is_video(album), fps(album)) == (4, False, None)


def test_glob_in_natural_order(album):
    assert names(frames(f"{album}/b*.png"), album) == ["b9.png", "b10.png"]
    assert names(frames(f"{album}/**/b*"), album) == ["b9.png", "b10.png", "trip/b1.png"]
    assert count(f"{album}/*") == 3


def test_a_file_with_brackets_in_its_name_is_no_pattern(file):
    path = file("cat[1].png", encoded(SCENE, "PNG"))
    assert [frame.source for frame in frames(path)] == [str(path)]


def test_an_unreadable_picture_is_passed_over_with_one_warning(album):
    (album / "b9.png").write_bytes(encoded(SCENE, "PNG")[:-20])
    with pytest.warns(UnreadableWarning) as caught:
        found = list(frames(album))
    assert [frame.index for frame in found] == [0, 2, 3]
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "b9.png (PNG) is truncated" in text and "\n" not in text


@pytest.mark.filterwarnings("ignore::edgecnn.runtime.sources.UnreadableWarning")
def test_if_no_picture_can_be_read_it_is_an_error(file, tmp_path):
    file("a.png", b"text")
    file("b.png", b"")
    with pytest.raises(EdgecnnError, match=r"none of its 2 pictures .*a\.png is not a") as error:
        list(frames(tmp_path))
    one_line(error)


def test_a_place_without_pictures_says_what_is_there(file, tmp_path):
    with pytest.raises(EdgecnnError, match=r"holds no picture, nothing at all; .* \.jpg \.jpeg"):
        list(frames(tmp_path))
    for name in ("a.txt", "b.txt", "c.mp4"):
        file(name, b"x")
    with pytest.raises(EdgecnnError, match=r"holds no picture, only 2 \.txt, 1 \.mp4; pictures"):
        list(frames(tmp_path))
    with pytest.raises(EdgecnnError, match=r"holds no picture, only 2 \.txt"):
        list(frames(f"{tmp_path}/*.txt"))
    with pytest.raises(EdgecnnError, match=r"\*\.jpg matches no file"):
        list(frames(f"{tmp_path}/*.jpg"))
    with pytest.raises(EdgecnnError, match="no such folder"):
        list(frames(f"folder://{tmp_path}/none"))


# --------------------------------------------------------------------- videos


@pytest.mark.smoke
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.webm", "VP80")])
def test_video_gives_every_frame_with_index_and_time(name, codec, tmp_path):
    path = write_video(tmp_path / name, codec=codec)
    found = list(frames(path))
    assert [frame.index for frame in found] == list(range(20))
    assert [frame.time_s for frame in found] == pytest.approx(
        [i / 12.5 for i in range(20)], abs=2e-3
    )
    assert [frame.mean() for frame in found] == pytest.approx([10 * i for i in range(20)], abs=4)
    assert found[3].shape == (48, 64, 3) and found[3].source == str(path)
    assert (count(path), is_video(path), fps(path)) == (20, True, pytest.approx(12.5))


def test_the_file_is_closed_when_the_reader_stops_early(tmp_path, monkeypatch):
    opened = []
    real = cv2.VideoCapture

    def spy(*arguments: object) -> object:
        opened.append(real(*arguments))
        return opened[-1]

    monkeypatch.setattr(cv2, "VideoCapture", spy)
    reader = frames(write_video(tmp_path / "a.mp4"))
    assert next(reader).index == 0 and opened[0].isOpened()
    reader.close()
    assert not opened[0].isOpened()


def test_a_video_cut_short_warns_once_at_its_end(tmp_path):
    path = write_video(tmp_path / "a.webm", codec="VP80")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.warns(UnreadableWarning, match=r"gave \d+ of its 20 frames: truncated") as caught:
        assert 0 < len(list(frames(path))) < 19
    assert len(caught) == 1


def avi(pictures: list[bytes], counted: int) -> bytes:
    """A Motion-JPEG AVI at 10 frames per second whose header counts `counted` frames."""

    def lump(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    main = struct.pack("<14I", 100_000, 0, 0, 0, counted, 0, 1, 0, 40, 30, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<10I4H", 0, 0, 0, 1, 10, 0, counted, 0, 0, 0, 0, 0, 40, 30)
    layout = struct.pack("<IiiHH4s5I", 40, 40, 30, 1, 24, b"MJPG", 3600, 0, 0, 0, 0)
    strl = lump(b"LIST", b"strl" + lump(b"strh", stream) + lump(b"strf", layout))
    header = lump(b"LIST", b"hdrl" + lump(b"avih", main) + strl)
    movie = lump(b"LIST", b"movi" + b"".join(lump(b"00dc", data) for data in pictures))
    return lump(b"RIFF", b"AVI " + header + movie)


def test_repeated_frames_that_an_avi_leaves_out_are_no_damage(file):
    jpeg = encoded(SCENE, "JPEG")
    sparse = file("sparse.avi", avi([jpeg, *[b""] * 9, jpeg, *[b""] * 8, jpeg], 20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [round(frame.time_s, 3) for frame in frames(sparse)] == [0.0, 1.0, 1.9]
    with pytest.warns(UnreadableWarning, match="gave 3 of its 20 frames"):
        list(frames(file("cut.avi", avi([jpeg] * 3, 20))))


def test_what_is_no_video_gives_one_clear_line(file, tmp_path):
    whole = write_video(tmp_path / "whole.mp4").read_bytes()
    for name, data, says in [
        ("cut.mp4", whole[: len(whole) // 2], "truncated or damaged MP4 video"),
        ("hollow.mp4", whole[:48] + bytes(len(whole) - 1200) + whole[-1152:], "damaged"),
        ("note.mp4", b"not a video\n" * 50, "is not a video but text"),
        ("noise.mp4", bytes(range(128, 256)) * 9, "is not a video, or it is damaged"),
        ("empty.mp4", b"", "is empty"),
    ]:
        with pytest.raises(EdgecnnError, match=says) as error:
            list(frames(file(name, data)))
        assert name in one_line(error)
    with pytest.raises(EdgecnnError, match="not a video but a PNG picture"):
        list(frames(f"video://{file('a.png', encoded(SCENE, 'PNG'))}"))


def test_huge_frames_are_refused_before_the_first_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(EdgecnnError, match="frames of 64×48"):
        list(frames(write_video(tmp_path / "a.mp4")))


# ------------------------------------------------------------ choosing a source


def test_renamed_files_are_known_by_their_content(file, tmp_path):
    png = file("really_png.mp4", encoded(SCENE, "PNG"))
    jpeg = file("really_jpeg.png", encoded(SCENE, "JPEG"))
    clip = write_video(tmp_path / "clip.mp4").rename(tmp_path / "really_mp4.jpg")
    assert difference(next(frames(png)), RGB[:, :, ::-1]) == 0
    assert next(frames(jpeg)).shape == (30, 40, 3)
    heic = file("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0")
    assert [is_video(path) for path in (png, jpeg, clip, heic)] == [False, False, True, False]
    assert len(list(frames(clip))) == 20


@pytest.mark.smoke
def test_an_unknown_scheme_lists_what_exists():
    with pytest.raises(UsageError, match=r"no source 'vidoe'; did you mean 'video'") as error:
        frames("vidoe://clip.mp4")
    assert "folder, glob, photo, video" in one_line(error)


def test_a_plug_in_is_a_source(monkeypatch):
    class Plugin:
        name = "checkers"

        @staticmethod
        def load() -> object:
            class Source:
                MOVING = True

                @staticmethod
                def frames(rest: str) -> Iterator[Frame]:
                    yield Frame(np.zeros((2, 2, 3), np.uint8), f"checkers://{rest}")

            return Source

    def installed(group: str) -> list[type[Plugin]]:
        return [Plugin] if group == "edgecnn.sources" else []

    monkeypatch.setattr(sources, "entry_points", installed)
    assert [frame.source for frame in frames("checkers://8x8")] == ["checkers://8x8"]
    assert (is_video("Checkers://"), count("checkers://"), fps("checkers://")) == (True, None, None)
    assert "checkers" in sources.list_sources()


def test_installed_plug_ins_are_looked_up_by_the_documented_group():
    assert sources.entry_points is importlib.metadata.entry_points
    assert sources.list_sources()[:2] == ["folder", "glob"]


def test_a_frame_keeps_its_origin_through_crops_copies_and_processes():
    frame = Frame(np.zeros((4, 6, 3), np.uint8), "cat.mp4", 7, 0.28)
    for derived in (frame[1:3, 2:], frame.copy(), frame + 1, pickle.loads(pickle.dumps(frame))):
        assert (derived.source, derived.index, derived.time_s) == ("cat.mp4", 7, 0.28)
    assert Frame(np.zeros((1, 1, 3), np.uint8)).source == ""


# ---------------------------------------------------------------------- silence


def test_only_our_own_line_reaches_stderr(file, tmp_path):
    tiff = file("a.tiff", encoded(SCENE, "TIFF")[:-90])
    bmp = file("a.bmp", encoded(SCENE, "BMP")[:-90])
    whole = write_video(tmp_path / "a.mp4").read_bytes()
    cut = file("cut.mp4", whole[:-400])
    script = (
        "import sys\n"
        "from edgecnn.errors import EdgecnnError\n"
        "from edgecnn.runtime.sources import frames\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        list(frames(path))\n"
        "    except EdgecnnError as error:\n"
        "        print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, tiff, bmp, cut], capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""
    assert len(ran.stdout.splitlines()) == 3


def test_silence_ends_with_the_last_of_several_threads():
    log = quiet._log()
    before = log.getLogLevel()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet.quiet_opencv():
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    with quiet.quiet_opencv():
        thread.start()
        assert inside.wait(5)
        assert log.getLogLevel() == 0
    assert log.getLogLevel() == 0
    leave.set()
    thread.join()
    assert log.getLogLevel() == before != 0
