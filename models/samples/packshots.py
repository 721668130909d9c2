"""The sample wardrobe: garments drawn by code, looking like a shop's packshots, with everything about them known.

Nothing here is a photo of anybody's product; the drawings are as free as the code. `draw_upper` draws any style for
tests that measure over many garments; `packshots` is the small fixed set of the demo page and the README.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from models.samples.lower import SkirtStyle, TrouserStyle, draw_skirt, draw_trousers
from models.samples.studio import Packshot
from models.samples.styles import UpperStyle
from models.samples.upper import draw_dress, draw_upper

UPPERS: dict[str, UpperStyle] = {
    "print-tee": UpperStyle(pattern="print", colour=(236, 228, 212), accent=(40, 58, 52), seed=1),
    "breton": UpperStyle(sleeve="long", neck="boat", pattern="stripes", colour=(240, 236, 226), accent=(34, 44, 78), seed=2),
    "tank": UpperStyle(sleeve="strap", neck="scoop", colour=(190, 92, 66), fit=0.9, seed=3),
    "v-neck": UpperStyle(neck="v", colour=(36, 92, 96), fit=0.96, waist=0.10, seed=4),
    "white-tee": UpperStyle(colour=(247, 247, 246), fit=1.1, seed=5),
    "polo": UpperStyle(neck="polo", colour=(128, 164, 206), seed=6),
    "turtleneck": UpperStyle(sleeve="long", neck="turtle", colour=(150, 58, 44), fit=0.92, waist=0.09, seed=7),
    "gingham": UpperStyle(
        sleeve="three_quarter", neck="scoop", pattern="checks", colour=(244, 240, 236), accent=(178, 48, 58), flare=0.10, seed=8
    ),
    "navy-dots": UpperStyle(sleeve="none", pattern="dots", colour=(30, 36, 66), accent=(232, 226, 212), flare=0.06, seed=9),
}
TROUSERS = TrouserStyle(colour=(198, 180, 150), seed=10)
SHORTS = TrouserStyle(colour=(92, 112, 128), length=0.46, seed=12)
SKIRT = SkirtStyle(colour=(132, 58, 66), accent=(236, 222, 200), pattern="checks", hem=1.55, pleats=7, seed=13)
DRESS = UpperStyle(
    neck="v", pattern="dots", pattern_size=0.62, colour=(36, 70, 60), accent=(238, 226, 198), fit=0.88, waist=0.12, flare=0.52, length=1.36,
    sleeve_angle_deg=26, neck_depth=0.85, fill=0.88, seed=11,
)  # fmt: skip


def packshots(size: tuple[int, int] = (768, 1024)) -> tuple[Packshot, ...]:
    """The whole wardrobe at `size` (width, height) px; about a second each at 768 by 1024."""
    return tuple(packshot(name, size) for name in packshot_names())


def packshot_names() -> tuple[str, ...]:
    """The names `packshot` knows, in the order of the demo page."""
    return tuple(_makers((768, 1024)))


def packshot(name: str, size: tuple[int, int] = (768, 1024)) -> Packshot:
    """One garment of the wardrobe.

    Raises:
        KeyError: no garment of that name.
    """
    return _makers(size)[name]()


def _makers(size: tuple[int, int]) -> dict[str, Callable[[], Packshot]]:
    makers: dict[str, Callable[[], Packshot]] = {
        name: partial(draw_upper, replace(style, size=size), name) for name, style in UPPERS.items()
    }
    makers["chinos"] = partial(draw_trousers, replace(TROUSERS, size=size), "chinos")
    makers["shorts"] = partial(draw_trousers, replace(SHORTS, size=size), "shorts")
    makers["skirt"] = partial(draw_skirt, replace(SKIRT, size=size), "skirt")
    makers["dotted-dress"] = partial(draw_dress, replace(DRESS, size=size), "dotted-dress")
    return makers
