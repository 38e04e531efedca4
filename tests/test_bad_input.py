"""The command on bad input: one line, the right exit code, earlier files intact, nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import onnx
import pytest
from command import VERBS, Command, assert_one_line, process, uses
from tiny import plain_frame, tiny_onnx

BAD_FILES = {
    "missing": "no such file",
    "empty": "is empty",
    "truncated": "is truncated: its graph needs",
    "a PNG": "is not an ONNX model",
    "text": "is not an ONNX model",
    "a folder": "is a folder; expected a file",
    "a pipe": "is a device or a pipe",
    "zeros": "is not an ONNX model",
    "no graph": "has no graph",
    "a broken graph": "",
}


def bad_file(kind: str, path: Path) -> None:
    """Make `path` what `kind` says."""
    content = tiny_onnx(path).read_bytes()
    path.unlink()
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a PNG":
        path.write_bytes(cv2.imencode(".png", plain_frame("red"))[1].tobytes())
    elif kind == "no graph":
        path.write_bytes(onnx.ModelProto(ir_version=10).SerializeToString())
    elif kind != "missing":
        graph = content.index(b"weights")
        broken = content[:graph] + b"\xff" * 40 + content[graph + 40 :]
        path.write_bytes(
            {"empty": b"", "truncated": content[:500], "text": b"a model, really\n" * 9,
             "zeros": bytes(4096), "a broken graph": broken}[kind]
        )  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", BAD_FILES)
def test_files_that_are_no_model(
    command: Command, photo: Path, pictures: Path, place: Path, tmp_path: Path, verb: str, kind: str
) -> None:
    path = tmp_path / "bad.onnx"
    bad_file(kind, path)
    done = command(*uses(path, photo, pictures, place)[verb])
    assert_one_line(done, 1, str(path), BAD_FILES[kind])
    assert done.out == ""


def test_the_command_itself_ends_with_these_codes(model: Path, photo: Path) -> None:
    fine = process("run", model, photo, "--top", "1")
    assert (fine.returncode, fine.stdout.split()[1:], fine.stderr) == (0, ["red", "0.58"], "")
    missing = process("run", "nowhere.onnx", photo)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == "edgecnn: nowhere.onnx: no such file.\n"
    wrong = process("run", model, photo, "--top", "0")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "edgecnn: top is 0; expected 1 or more.\n"


@pytest.mark.parametrize("verb", VERBS)
def test_a_foreign_model_without_a_card(
    command: Command, photo: Path, pictures: Path, place: Path, tmp_path: Path, verb: str
) -> None:
    path = tiny_onnx(tmp_path / "foreign.onnx", card=False)
    done = command(*uses(path, photo, pictures, place)[verb])
    assert_one_line(done, 1, f"{path} carries no card", "foreign.card.json")


USAGE = {
    "card": "the following arguments are required: model",
    "card {model} {model}": "unrecognized arguments",
    "crad {model}": "no verb 'crad'; did you mean 'card'?",
    "run {model} {photo} --tpo 3": "'--tpo'; did you mean '--top'?",
    "run {model} {photo} --backend=onnxrutime": "did you mean 'onnxruntime'?",
    "run {model} {photo} --device cdua": "no device 'cdua'; did you mean 'cuda'?",
    "run {model} {photo} --device cuda --backend openvino": "no OpenVINO device 'cuda'",
    "run {model} {photo} --top 0": "top is 0; expected 1 or more",
    "run {model} {photo} --top two": "invalid int value: 'two'",
    "run {model} {photo} --every 0": "every is 0; expected 1 or more",
    "run {model} {photo} --every -3": "every is -3",
    "run {model} {photo} --smooth -1": "smoothing is -1.0 s; expected 0 (off) or more",
    "run {model} {photo} --smooth nan": "smoothing is nan",
    "run {model} {photo} --threads -1": "threads is -1; expected 0",
    "run {model} {photo} --threads 100000": "threads is 100000; expected 0",
    "run {model} {photo} --threads -1 --backend auto": "threads is -1",
    "run {model} {photo} -o {out}/x.gif": "no sink for",
    "run {model} ftp://host/x.png": "no source 'ftp'",
    "check {model} {model} {model}": "got 3 models; expected one or two",
    "check {model} --samples 0": "samples is 0; expected 1 or more",
    "check {model} --data nowhere": "no folder or data set 'nowhere'",
    "check {model} --data mnits": "did you mean 'mnist'?",
    "check {model} --data {photo}": "is a file; expected a folder of pictures",
    "check {model} --tolerance nan": "tolerance is nan; expected 0 or more",
    "check {model} --tolerance -1": "tolerance is -1.0",
    "check {model} --min-agreement 2": "min-agreement is 2.0; expected 0 to 1",
    "quantize {model} --data {data} -o {out}/earlier.onnx --target cpuu": "did you mean 'cpu'?",
    "quantize {model} --data {data} -o {out}/earlier.onnx --max-drop 2": "max-drop is 2.0",
    "quantize {model} --data {data} -o {out}/earlier.onnx --max-drop nan": "max-drop is nan",
    "quantize {model} --data {data} -o {out}/earlier.onnx --samples 0": "samples is 0",
    "quantize {model} --data {data} -o {out}/earlier.pt": "expected one that ends in .onnx",
    "quantize {model} --data {data} -o {model}": "is the float file itself",
    "quantize {model} -o {out}/earlier.onnx": "required: --data",
    "export lenet6 -o {out}/earlier.onnx": "no model 'lenet6'; did you mean 'lenet5'?",
    "export lenet5 -o {out}/earlier.onnx": "needs --weights",
    "export mobilenet_v2 --weights imagnet -o {out}/earlier.onnx": "add --labels FILE",
    "export {pt} --labels {photo} -o {out}/earlier.onnx": "leave out --weights/--labels",
    "export {pt} -o {out}/earlier.onnx --opset 7": "opset is 7; expected 18 to 22",
    "export {pt} -o {out}/earlier.onnx --tolerance nan": "tolerance is nan",
    "export {pt} -o {out}/earlier.pt": "expected one that ends in .onnx",
    "export {pt} --outptu {out}/earlier.onnx": "did you mean '--output'?",
}


@pytest.mark.parametrize("line", USAGE)
def test_wrong_usage(
    command: Command, model: Path, photo: Path, pictures: Path, place: Path, pt: Path, line: str
) -> None:
    before = model.read_bytes()
    words = {"model": model, "photo": photo, "data": pictures, "out": place, "pt": pt}
    done = command(*(word.format(**words) for word in line.split()))
    assert_one_line(done, 2, USAGE[line])
    assert done.out == ""
    assert model.read_bytes() == before


def test_a_device_that_is_not_here_is_an_error_and_never_the_cpu(
    command: Command, model: Path, photo: Path, place: Path
) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA: tests/test_backends.py looks at it")
    done = command("run", model, photo, "--device", "cuda", "-o", place / "earlier.jsonl")
    assert_one_line(done, 1, "device 'cuda' did not come up: ", "was built without it",
                    'pip install "edgecnn[gpu]"', "`edgecnn doctor`", "`--device cpu`")  # fmt: skip
    assert done.out == ""


WRITERS = {
    "quantize": "quantize {model} --data {data} -o {out}.onnx",
    "export": "export {pt} -o {out}.onnx",
    "run to lines": "run {model} {photo} -o {out}.jsonl",
    "run to a picture": "run {model} {photo} -o {out}.png",
    "run to a video": "run {model} {photo} -o {out}.mp4",
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("{tmp}/nowhere/x", "nowhere does not exist. Create it first"),
        ("{tmp}/pipe", "is a device or a pipe"),
        ("/proc/x", "cannot write in /proc"),
        ("{tmp}/locked/x", "Permission denied"),
    ],
)
def test_places_that_cannot_be_written(
    command: Command, model: Path, photo: Path, pictures: Path, pt: Path, tmp_path: Path,
    writer: str, out: str, says: str,
) -> None:  # fmt: skip
    if "locked" in out:
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        (tmp_path / "locked").mkdir(mode=0o500)
    for suffix in (".onnx", ".jsonl", ".png", ".mp4"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
    words = {"model": model, "photo": photo, "data": pictures, "pt": pt}
    line = WRITERS[writer].format(**words, out=out.format(tmp=tmp_path))
    before = sorted(tmp_path.rglob("*"))
    assert_one_line(command(*line.split(), *["-q"] * ("run" in line)), 1, says, progress=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("writer", ["quantize", "export"])
def test_a_folder_is_no_file_to_write(
    command: Command, model: Path, pictures: Path, pt: Path, tmp_path: Path, writer: str
) -> None:
    (tmp_path / "x.onnx").mkdir()
    line = WRITERS[writer].format(model=model, data=pictures, pt=pt, out=tmp_path / "x")
    assert_one_line(command(*line.split()), 1, "x.onnx is a folder; expected a file name")
    assert not list((tmp_path / "x.onnx").iterdir())


def test_what_is_not_installed_is_named_with_the_remedy(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from edgecnn.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", "lenet5", "-o", str(tmp_path / "x.onnx")],
        capture_output=True, text=True,
    )  # fmt: skip
    says = (
        'edgecnn: torch is not installed, which this needs. Type: pip install "edgecnn[train]".\n'
    )
    assert (done.returncode, done.stderr) == (1, says)
