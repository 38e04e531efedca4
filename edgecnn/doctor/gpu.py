"""NVIDIA GPUs: card, driver, CUDA runtime and cuDNN."""

from __future__ import annotations

import ctypes
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecnn.doctor import Finding, _child
from edgecnn.doctor.jetson import board

_NVIDIA_VENDOR = "0x10de"
_SMI_QUERY = "--query-gpu=name,driver_version,memory.total,compute_cap"
# Driver API error numbers that people meet, with what helps.
_CUDA_ERRORS = {
    100: ("no device is visible", "unset CUDA_VISIBLE_DEVICES; in a container: --gpus all"),
    802: ("the system is not ready", "sudo systemctl restart nvidia-fabricmanager"),
    803: ("libcuda and the kernel module have different versions", "sudo reboot"),
    804: ("libcuda's compatibility mode does not serve this GPU", "Update the NVIDIA driver."),
    999: (
        "unknown error, often after suspend",
        "sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm",
    ),
}


def check(
    root: Path = Path("/"),
    ask_driver: Callable[[], _child.Answer] | None = None,
    ask_smi: Callable[[], str] | None = None,
) -> list[Finding]:
    """The GPUs, whether CUDA starts on them, and which CUDA runtime and cuDNN are found.

    All three arguments are for tests: the root folder, and stand-ins for libcuda and nvidia-smi.
    """
    answer = ask_driver() if ask_driver else _child.call(query_driver)
    if not answer.error:
        smi_cards = [] if kernel_driver(root) else parse_smi((ask_smi or nvidia_smi)())
        driver = kernel_driver(root) or (smi_cards[0]["driver"] if smi_cards else "unknown")
        cards = [_describe(card, answer.value["cuda"], driver) for card in answer.value["cards"]]
        return [*cards, *_libraries()]
    return [_not_up(answer.error, (ask_smi or nvidia_smi)(), root)]


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Whether there is an NVIDIA GPU, with or without a working driver."""
    node = root / "dev/nvidiactl"
    return bool(kernel_driver(root) or pci_cards(root) or board(root) or node.exists())


def kernel_driver(root: Path = Path("/")) -> str:
    """The loaded NVIDIA kernel module's version, for instance "580.159.04"; empty without one."""
    try:
        text = (root / "proc/driver/nvidia/version").read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s", text, re.MULTILINE)
    return found[1] if found else ""


def pci_cards(root: Path = Path("/")) -> list[str]:
    """PCI addresses of NVIDIA display and compute cards, with or without a driver."""
    cards = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            vendor = (device / "vendor").read_text().strip()
            kind = (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == _NVIDIA_VENDOR and kind.startswith("0x03"):
            cards.append(device.name)
    return cards


def nvidia_smi() -> str:
    """nvidia-smi's answer to the question for name, driver, memory and capability, or its error."""
    path = shutil.which("nvidia-smi")
    if path is None:
        return ""
    outcome = _child.program([path, _SMI_QUERY, "--format=csv,noheader"], limit_s=15)
    if outcome.code is None:
        return "nvidia-smi does not answer"
    return outcome.output or outcome.log


def parse_smi(text: str) -> list[dict[str, str]]:
    """Cards in nvidia-smi's CSV lines: name, driver, memory, capability; [] for an error text."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    keys = ("name", "driver", "memory", "capability")
    return [dict(zip(keys, row, strict=True)) for row in rows if len(row) == len(keys)]


def query_driver() -> dict[str, Any]:
    """Start CUDA's driver API and list the cards; runs in the child process.

    Raises:
        OSError: libcuda.so.1 is missing.
        RuntimeError: it does not start; the message begins with its error number.
    """
    cuda = ctypes.CDLL("libcuda.so.1")
    code = cuda.cuInit(0)
    if code:
        raise RuntimeError(f"{code} from cuInit")
    number, cards = ctypes.c_int(), []
    cuda.cuDriverGetVersion(ctypes.byref(number))
    version = number.value
    cuda.cuDeviceGetCount(ctypes.byref(number))
    for index in range(number.value):
        device, size, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(256)
        cuda.cuDeviceGet(ctypes.byref(device), index)
        cuda.cuDeviceGetName(name, len(name), device)
        cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        capability = []
        for attribute in (75, 76):  # compute capability, major and minor
            value = ctypes.c_int()
            cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
            capability.append(value.value)
        cards.append({"name": name.value.decode(), "bytes": size.value, "capability": capability})
    return {"cuda": version, "cards": cards}


def query_library(files: list[str], function: str) -> dict[str, Any]:
    """Load the first of `files` that loads and ask its version; runs in the child process.

    Raises:
        OSError: none loads; the message is the loader's, one part a file.
    """
    causes = []
    for file in files:
        try:
            library = ctypes.CDLL(file)
        except OSError as error:
            causes.append(str(error))
            continue
        if function == "cudnnGetVersion":
            library.cudnnGetVersion.restype = ctypes.c_size_t
            return {"version": library.cudnnGetVersion(), "file": file}
        number = ctypes.c_int()
        library.cudaRuntimeGetVersion(ctypes.byref(number))
        return {"version": number.value, "file": file}
    raise OSError("; ".join(causes))


def _describe(card: dict[str, Any], cuda: int, driver: str) -> Finding:
    major, minor = card["capability"]
    message = (
        f"{card['name']}, {card['bytes'] / 2**30:.0f} GiB, compute capability {major}.{minor}, "
        f"driver {driver}, CUDA up to {_cuda_version(cuda)}"
    )
    return Finding("GPU", "ok", message)


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _not_up(error: str, smi: str, root: Path) -> Finding:
    driver, pci, cards = kernel_driver(root), pci_cards(root), parse_smi(smi)
    if not (driver or pci or cards or board(root)):
        return Finding("GPU", "absent", "no NVIDIA GPU")
    name = cards[0]["name"] if cards else board(root) or f"an NVIDIA card ({', '.join(pci)})"
    if "version mismatch" in smi:
        message = f"{name}: the kernel module and the driver's libraries have different versions"
        return Finding("GPU", "warn", message, "sudo reboot")
    if not driver and not cards:
        return Finding("GPU", "warn", f"{name} is here, but no driver is loaded", _driver(root))
    version = driver or cards[0]["driver"]
    number = re.match(r"(\d+) from cuInit", error)
    if number:
        cause, remedy = _CUDA_ERRORS.get(int(number[1]), (f"error {number[1]}", "sudo reboot"))
    else:
        cause, remedy = error, "In a container: docker run --gpus all … ; else " + _driver(root)
    message = f"{name}, driver {version}, but CUDA does not start: {cause}"
    return Finding("GPU", "warn", message, remedy)


def _driver(root: Path) -> str:
    if board(root):
        return "Flash or repair JetPack: its kernel carries the driver."
    try:
        system = (root / "etc/os-release").read_text()
    except OSError:
        system = ""
    if re.search(r"^ID=\W*ubuntu", system, re.MULTILINE):
        return "sudo ubuntu-drivers install && sudo reboot"
    if re.search(r"^ID=\W*debian", system, re.MULTILINE):
        return "sudo apt-get install nvidia-driver && sudo reboot   (section non-free)"
    return "Install your distribution's NVIDIA driver and reboot."


def _libraries() -> list[Finding]:
    remedy = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
    findings = []
    for topic, stem, majors, function in (
        ("CUDA runtime", "libcudart", (13, 12), "cudaRuntimeGetVersion"),
        ("cuDNN", "libcudnn", (9, 8), "cudnnGetVersion"),
    ):
        answer = _child.call(query_library, _candidates(stem, majors), function)
        if answer.error:
            findings.append(Finding(topic, "absent", f"does not load: {answer.error}", remedy))
            continue
        number = answer.value["version"]
        version = _cuda_version(number) if topic == "CUDA runtime" else _cudnn_version(number)
        findings.append(Finding(topic, "ok", f"{version} ({answer.value['file']})"))
    return findings


def _cudnn_version(number: int) -> str:
    unit = 10000 if number >= 90000 else 1000
    return f"{number // unit}.{number % unit // 100}.{number % 100}"


def _candidates(stem: str, majors: tuple[int, ...]) -> list[str]:
    """Names for the system's loader first, then files in pip packages and in CUDA's folder."""
    names = [f"{stem}.so.{major}" for major in majors]
    folders = [Path(entry) / "nvidia" for entry in sys.path if entry]
    files = [file for folder in folders for name in names for file in folder.glob(f"*/lib/{name}")]
    toolkit = [file for name in names for file in Path("/usr/local").glob(f"cuda*/lib*/{name}")]
    return names + [str(file) for file in files + toolkit]
