"""Make the probe pictures in export/probes from two photographs of the imageio package.

    python benchmarks/make_probes.py ~/.cache/edgecnn/photos

chelsea.png is CC0 (Stéfan van der Walt), astronaut.png is in the public domain (NASA).
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parents[1] / "export" / "probes"


def main(photos: Path) -> None:
    cat = Image.open(photos / "chelsea.png").convert("RGB")
    person = Image.open(photos / "astronaut.png").convert("RGB")
    cat.save(HERE / "wide.jpg", quality=85)
    cat.crop((120, 40, 128, 45)).save(HERE / "tiny.png")
    person.resize((3072, 4096), Image.Resampling.BICUBIC).save(HERE / "huge.jpg", quality=25)
    person.resize((160, 240)).convert("L").save(HERE / "grey.png")
    alpha = cat.resize((200, 133))
    alpha.putalpha(Image.linear_gradient("L").resize(alpha.size))
    alpha.save(HERE / "alpha.png")
    person.resize((300, 260)).convert("CMYK").save(HERE / "cmyk.jpg", quality=85)
    exif = Image.Exif()
    exif[0x0112] = 6
    cat.resize((240, 160)).rotate(90, expand=True).save(
        HERE / "rotated.jpg", quality=85, exif=exif.tobytes()
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
