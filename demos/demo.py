"""The main job from end to end, on real networks, pictures and a video; it writes demo.html.

Read it from top to bottom: `tell` is the story, each chapter is one function.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pictures
from measure import ask, score, spokesman, tally
from verbs import Stopped, verb, verb_lines

from edgecnn.assets import fetch
from edgecnn.cli import show
from edgecnn.data import open_dataset
from edgecnn.errors import EdgecnnError
from edgecnn.runtime import frames
from edgecnn.runtime.timing import paired_ratio

TITLES = {
    "mobilenet_v2": "MobileNet v2",
    "efficientnet_lite0": "EfficientNet-Lite0",
    "efficientnet_lite1": "EfficientNet-Lite1",
    "efficientnet_lite2": "EfficientNet-Lite2",
}
BIRD = "sulphur-crested cockatoo"
FORMS = ("fp32", "int8")
Story = dict[str, Any]


def tell(out: Path, quick: bool) -> Story:
    """The whole demo; the numbers come back, the files lie in `out`."""
    names = list(TITLES)[:1] if quick else list(TITLES)
    story: Story = {"title": TITLES, "bird": BIRD, "quick": quick}

    chapter("Export, prove and quantize")
    story["networks"] = {name: make(name, out) for name in names}

    chapter("50 labelled pictures of ImageNet")
    story |= fifty_pictures(names, out)

    chapter("Photos")
    story["photos"] = photos(ensemble(names, out), out)

    chapter("A real video")
    story["video"] = video(names, out, every=28 if quick else 4)

    if not quick:
        chapter("A network trained here: LeNet-5 on handwritten digits")
        story["digits"] = digits(out)

    chapter("How fast")
    story["bench"] = bench(names, out, rounds=5 if quick else 40)
    return story


def make(name: str, out: Path) -> Story:
    """PyTorch → one ONNX file, proved; → int8 within a budget; both compared."""
    fp32, int8 = model(out, name, "fp32"), model(out, name, "int8")
    made = verb("export", name, "--weights", "imagenet", "-o", fp32, showing=f"Exporting {name}")
    proof = made["agreement"]
    tell_line(
        f"PyTorch and ONNX: same top-1 {show.percent(proof['agreement'])}, "
        f"largest difference {proof['max_error']:.1e}"
    )
    report = verb("quantize", fp32, "--data", "imagenet-50", "--target", "cpu",
                  "--max-drop", "0.01", "-o", int8)  # fmt: skip
    tell_line(
        f"int8: {report['bytes_before'] / 1e6:.1f} → {report['bytes_after'] / 1e6:.1f} MB, "
        f"{len(report['float_layers'])} of {report['layers']} layers stay float"
    )
    check = verb("check", fp32, int8, "--data", "imagenet-50", "--min-agreement", "0.8",
                 showing="Comparing")  # fmt: skip
    tell_line(f"fp32 and int8: same top-1 {show.percent(check['agreement'])}")
    card = made["card"]
    return {
        "proof": proof, "quantize": report, "check": check,
        "size": card["preprocess"]["size"], "facts": card["provenance"],
        "bytes": {form: model(out, name, form).stat().st_size for form in FORMS},
    }  # fmt: skip


def fifty_pictures(names: list[str], out: Path) -> Story:
    """Top-1 and top-5 of every network in both forms, and of their simple average."""
    data = open_dataset("imagenet-50")
    assert data.targets is not None
    targets = [int(target) for target in data.targets]
    seen = [frame for frame, _ in data]
    scores: Story = {}
    for form in FORMS:
        answers = ask(models(names, out, form), seen, f"Asking the {form} networks", len(seen))
        scores[form] = {who: score(given, targets) for who, given in answers.items()}
    for who, int8 in scores["int8"].items():
        fp32 = scores["fp32"][who]
        tell_line(
            f"{TITLES.get(who, who):<20} top-1 {fp32['top1']} → {int8['top1']}, "
            f"top-5 {fp32['top5']} → {int8['top5']} of {int8['pictures']} (fp32 → int8)"
        )
    # The page shows what the last form asked, int8, answered.
    shown = [
        {
            "image": pictures.inline(frame, 160),
            "truth": data.labels[target],
            "right": {who: given[i].index == target for who, given in answers.items()},
            "top": spokesman(answers)[i].top(3),
        }
        for i, (frame, target) in enumerate(zip(seen, targets, strict=True))
    ]
    return {"scores": scores, "pictures": shown}


def photos(joined: str, out: Path) -> list[Story]:
    """Two photos outside ImageNet, by the averaged int8 networks."""
    found = verb_lines("run", joined, fetch("photos"), "--top", "5", "-o", f"{out / 'photos'}/",
                       showing="Recognising")  # fmt: skip
    for photo in found:
        best = photo["top"][0]
        tell_line(f"{Path(photo['source']).name}: {best['label']} {best['probability']:.2f}")
        photo["image"] = pictures.inline(next(frames(photo["source"])), 360)
        photo["name"] = Path(photo["source"]).stem
    return found


def video(names: list[str], out: Path, every: int) -> Story:
    """The averaged networks on every Nth frame, smoothed, drawn; then each of them alone."""
    source, drawn = fetch("cockatoo"), out / "cockatoo.mp4"
    smooth = verb_lines("run", ensemble(names, out), source, "--every", str(every), "-o", drawn,
                        showing="Recognising the video")  # fmt: skip
    alone = ask(models(names, out, "int8"), islice(frames(source), 0, None, every),
                "Asking each network alone", len(smooth))  # fmt: skip
    shares = {who: tally(answers, BIRD) for who, answers in alone.items()}
    smoothed = [frame["top"][0]["label"] for frame in smooth]
    shares["smoothed"] = {"frames": len(smooth), "hits": smoothed.count(BIRD), "said": smoothed}
    for who, share in shares.items():
        tell_line(
            f"{TITLES.get(who, who):<20} {BIRD} first in {share['hits']} of {share['frames']}"
        )
    return {
        "every": every,
        "times_s": [frame["time_s"] for frame in smooth],
        "shares": shares,
        "strip": pictures.strip(drawn, len(smooth), 8),
        "clip": pictures.clip(drawn, out / "cockatoo.webm"),
    }


def digits(out: Path) -> Story:
    """LeNet-5, one epoch only; exported, proved, and asked about digits it has never seen."""
    trained, exported, folder = out / "lenet5.pt", out / "lenet5.onnx", out / "digits"
    verb("train", "lenet5", "--data", "mnist", "--epochs", "1", "-o", trained)
    proof = verb("export", trained, "-o", exported, showing="Exporting lenet5")["agreement"]
    data = open_dataset("mnist")
    assert data.targets is not None
    answers = ask({"lenet5": exported}, (frame for frame, _ in data), "Testing", len(data))
    scored = score(answers["lenet5"], data.targets.tolist())
    tell_line(f"right: {scored['top1']} of {scored['pictures']} test digits after one epoch")
    wrong = [i for i, given in enumerate(answers["lenet5"]) if given.index != data.targets[i]]
    pictures.save_digits(data, [*range(20), *wrong[:10]], folder)
    read = verb_lines("run", exported, folder, "--top", "2")
    for digit in read:
        digit["truth"] = Path(digit["source"]).stem.rpartition("is-")[2]
        digit["image"] = pictures.inline(next(frames(digit["source"])), 56, ".png")
    return {"proof": proof, "score": scored, "read": read}


def bench(names: list[str], out: Path, rounds: int) -> Story:
    """Every file in one interleaved run; the ratio is taken within each round."""
    files = [model(out, name, form) for name in names for form in FORMS]
    measured = verb("bench", *files, "--rounds", str(rounds))
    rows = {Path(row["path"]).name: row for row in measured["rows"]}
    speed: Story = {}
    for name in names:
        fp32, int8 = (rows[model(out, name, form).name] for form in FORMS)
        ratio = paired_ratio(fp32["latencies_ms"], int8["latencies_ms"])
        speed[name] = {"fp32": fp32, "int8": int8, "ratio": vars(ratio)}
        tell_line(
            f"{TITLES[name]:<20} {fp32['p50_ms']:.1f} → {int8['p50_ms']:.1f} ms, "
            f"int8 is {ratio} as fast"
        )
    return {"speed": speed, "rounds": rounds, "machine": measured["machine"]}


def model(out: Path, name: str, form: str) -> Path:
    """Where a network lies: mobilenet_v2.onnx, mobilenet_v2.int8.onnx."""
    return out / (f"{name}.onnx" if form == "fp32" else f"{name}.{form}.onnx")


def models(names: list[str], out: Path, form: str) -> dict[str, Path]:
    """Every network in one form, by its name."""
    return {name: model(out, name, form) for name in names}


def ensemble(names: list[str], out: Path) -> str:
    """The int8 networks as `edgecnn run` takes them to average their answers."""
    return "+".join(str(model(out, name, "int8")) for name in names)


def chapter(title: str) -> None:
    """A heading in the terminal."""
    print(f"\n{title}\n{'─' * len(title)}", flush=True)


def tell_line(text: str) -> None:
    """One result in the terminal."""
    print(f"  {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder (default out)")
    parser.add_argument("--quick", action="store_true", help="one network, few frames, no training")
    args = parser.parse_args()
    started = time.monotonic()
    # Read when torch is loaded: its threads would wait busily, which is slow on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from page import list_files, write_page

        args.out.mkdir(parents=True, exist_ok=True)
        story = tell(args.out, args.quick)
        page = write_page(story, args.out, time.monotonic() - started)
        show.table(f"\nWhat was made in {args.out}", ("file", "MB", "what"), list_files(args.out))
        print(f"Open {page} in a browser. {time.monotonic() - started:.0f} s in all.")
        return 0
    except Stopped as stopped:
        return stopped.code
    except KeyboardInterrupt:
        return fail(f"interrupted. What was made so far lies in {args.out}.", 130)
    except OSError as error:
        return fail(f"{error.filename or args.out}: {error.strerror or error}.", 1)
    except EdgecnnError as error:
        return fail(str(error), 1)
    except ImportError as error:
        return fail(f"{error}. Type `make demo`: it installs what the demo needs.", 1)
    except Exception as error:
        if os.environ.get("EDGECNN_DEBUG"):
            raise
        return fail(f"{type(error).__name__}: {error} (EDGECNN_DEBUG=1 shows where)", 1)


def fail(text: str, code: int) -> int:
    """One line on stderr."""
    sys.stderr.write(f"demo: {' '.join(text.split())}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
