"""How long a user waits before anything of theirs runs: imports and `edgecnn --help`.

    python benchmarks/import_time.py [--json]

CPU seconds (user + system) of a fresh interpreter, less those of an interpreter that does
nothing; the median of several runs. Exit code 1 when one is above the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys

LIMIT_S = 0.3
BARE = "pass"
MEASURED = {
    "import edgecnn.runtime": "import edgecnn.runtime",
    "from edgecnn.runtime import load, frames": "from edgecnn.runtime import load, frames",
    "edgecnn --help": "import edgecnn.cli; edgecnn.cli.main(['--help'])",
}
# Said beside them, without a limit: numpy, OpenCV and the engine are not ours.
REFERENCE = {
    "import numpy, cv2": "import numpy, cv2",
    "import numpy, cv2, onnxruntime": "import numpy, cv2, onnxruntime",
}


def cpu_s(code: str) -> float:
    """CPU seconds of one interpreter that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        stdout=subprocess.DEVNULL,
        # OpenBLAS starts a thread per core, whose idle spinning is no cost of the import.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")
    parser.add_argument("--runs", type=int, default=7, help="of each (default 7)")
    args = parser.parse_args()
    codes = {**MEASURED, **REFERENCE}
    for code in (BARE, *codes.values()):
        cpu_s(code)  # the first run reads from the disk
    runs = [
        {name: cpu_s(code) for name, code in {"bare": BARE, **codes}.items()}
        for _ in range(args.runs)
    ]
    found = {name: statistics.median(run[name] - run["bare"] for run in runs) for name in codes}
    if args.json:
        print(json.dumps({"cpu_s": found, "limit_s": LIMIT_S}, indent=2))
    else:
        for name, seconds in found.items():
            limit = f"limit {LIMIT_S:.2f} s" if name in MEASURED else ""
            print(f"{name:<42} {seconds:6.3f} s  {limit}".rstrip())
    return int(any(found[name] > LIMIT_S for name in MEASURED))


if __name__ == "__main__":
    sys.exit(main())
