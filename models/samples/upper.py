"""Draws an upper garment (or a dress) as a packshot, with its true mask, inner back and landmarks."""

from __future__ import annotations

import numpy as np

from models.samples.cloth import Dye, Fold, Panel, Plane, Table, blur
from models.samples.curves import Line, bezier, mirrored, offset, points, resample
from models.samples.cut import BAND, UpperCut, cut_upper, sample_side, sample_sleeve
from models.samples.dyes import patterned, plain, printed
from models.samples.folds import FOLD_HEIGHT, fold, hanging_folds, sleeve_folds, torso_folds
from models.samples.print_art import artwork
from models.samples.studio import Packshot, Stage, shoot
from models.samples.styles import RGB, UpperStyle
from models.samples.trimmings import button, label, rib, seam, stitch
from models.types import Category, FloatArray, Sleeve, UpperLandmarks

HEM_HEIGHT = 0.085
"""From a hem's edge to its stitches."""
INSIDE_BRIGHTNESS = 0.60
"""Light on the inside of the back, over that on the front."""
THREAD: RGB = (206, 78, 60)
"""Second colour of the print."""


def draw_upper(style: UpperStyle, name: str = "upper") -> Packshot:
    """Draws a style: about a second at 768 by 1024 on one core."""
    return _draw(style, name, waist_seam_y=None)


def draw_dress(style: UpperStyle, name: str = "dress", waist_y: float = 1.75) -> Packshot:
    """Draws a dress: an upper garment with a seam at `waist_y` garment units and a skirt below it."""
    return _draw(style, name, waist_seam_y=waist_y)


def _draw(style: UpperStyle, name: str, waist_seam_y: float | None) -> Packshot:
    cut = cut_upper(style, waist_seam_y)
    outlines = [cut.torso, cut.inner_back, *(sleeve.panel for sleeve in cut.sleeves or ())]
    stage = Stage.around(np.vstack(outlines), style.size, style.fill, style.rotation_deg, mirrored=style.mirrored)
    table = stage.table()
    rng = np.random.default_rng(style.seed + 101)
    dye = patterned(style.pattern, style.colour, style.accent, style.pattern_size)
    trim = style.trim or style.colour
    inside = _inside(table, cut, style, dye, trim)
    body = table.fill(cut.torso)
    for sleeve in cut.sleeves or ():
        body = np.maximum(body, table.fill(sleeve.panel))
    _sleeves(table, cut, style, dye, trim, body, rng)
    front = _front(table, cut, style, dye, body, rng, waist_seam_y)
    if cut.collar is not None and style.neck == "polo":
        front = np.maximum(front, _polo_collar(table, cut, cut.collar, style, trim))
    elif cut.collar is not None:
        _turtle_collar(table, cut, cut.collar, style, trim)
    else:
        rib(table, cut.neckline, _band(style), trim, clip=cut.torso, seed=style.seed + 3, lift=0.18)
        stitch(table, offset(cut.neckline, _band(style) + 0.018), strength=0.14)
    picture, mask, turned = shoot(stage, table, style.ground)
    inner_back = turned(inside * (1 - front)) >= 0.5
    category = Category.UPPER if waist_seam_y is None else Category.DRESS
    return Packshot(name, picture, mask, inner_back & mask, category, _landmarks(cut, stage))


def _band(style: UpperStyle) -> float:
    return {"v": 0.07, "boat": 0.055}.get(style.neck, BAND) * (0.8 if style.sleeve == "strap" else 1.0)


def _inside(table: Table, cut: UpperCut, style: UpperStyle, dye: Dye, trim: RGB) -> Plane:
    """The inside of the back above the front neckline, with rib and label."""
    cover = table.lay(
        Panel(
            cut.inner_back,
            dye,
            brightness=INSIDE_BRIGHTNESS,
            bulge=-0.06,
            bulge_radius=0.25,
            ripple=0.004 * style.crumple,
            seed=style.seed + 11,
        )
    )
    if style.neck == "turtle":
        return cover
    stand = 0.13 if style.neck == "polo" else _band(style)
    rib_or_stand = offset(cut.back_neckline, stand)
    if style.neck == "polo":
        collar_stand = np.vstack([cut.back_neckline, rib_or_stand[::-1]])
        table.lay(Panel(collar_stand, plain(trim), brightness=0.80, clip=cut.inner_back, seed=style.seed))
        seam(table, rib_or_stand, 0.25)
    else:
        rib(table, cut.back_neckline, stand, trim, clip=cut.inner_back, brightness=0.74, lift=0.12, seed=style.seed + 13)
        seam(table, offset(cut.back_neckline, stand + 0.008), 0.2)
    middle = len(rib_or_stand) // 2
    x, y = float(cut.back_neckline[middle, 0]), float(rib_or_stand[middle, 1]) + 0.012
    room = float(np.interp(x, cut.neckline[:, 0], cut.neckline[:, 1])) - y
    if room > 0.06:
        dark = sum(style.colour) < 300
        label(table, x, y, (236, 233, 226) if dark else (42, 44, 50), (60, 60, 66) if dark else (232, 230, 224))
    front = table.fill(cut.torso)
    # the front lies over the back and keeps light from it
    table.shade(np.clip(blur(front, 0.05 * table.scale) * 1.4, 0, 1), 0.72)
    return cover


def _sleeves(table: Table, cut: UpperCut, style: UpperStyle, dye: Dye, trim: RGB, body: Plane, rng: np.random.Generator) -> None:
    for side, sleeve in enumerate(cut.sleeves or ()):
        cuff_line = np.asarray(sleeve.cuff)
        hem = offset(cuff_line, HEM_HEIGHT * 0.85)
        long = style.sleeve == "long"
        table.lay(
            Panel(
                sleeve.panel,
                dye,
                angle=sleeve.angle,
                origin=(float(cut.armpit[side, 0]), float(cut.armpit[side, 1])),
                folds=sleeve_folds(sleeve, style.crumple, rng),
                bulge=0.09,
                bulge_radius=0.28,
                body=body,
                ripple=0.008 * style.crumple,
                creases=() if long else ((hem, 0.012, 0.004),),
                seed=style.seed + 17 + side,
            )
        )
        # cuffs run from the outer to the inner corner: on the picture's left the cloth lies on the other side
        up = _longer(cuff_line if side else cuff_line[::-1], 0.06)
        if style.trim is not None or long:
            band = 0.13 if long else 0.075
            rib(table, up, band, trim, clip=sleeve.panel, seed=style.seed + 23 + side, lift=0.12)
            seam(table, offset(up, band + 0.006), 0.22)
        else:
            stitch(table, offset(up, HEM_HEIGHT * 0.75), double=0.022)


def _front(table: Table, cut: UpperCut, style: UpperStyle, dye: Dye, body: Plane, rng: np.random.Generator, waist_y: float | None) -> Plane:
    """The torso with its seams and hem; returns its cover."""
    if style.pattern == "print":
        box = _print_box(cut, style)
        dye = printed(dye, artwork(style.accent, THREAD), box)
    folds = torso_folds(cut, style.crumple, rng)
    hem = offset(_longer(cut.hemline, 0.06), -HEM_HEIGHT)
    creases: list[tuple[Line, float, float]] = [(hem, 0.012, 0.004)]
    waistline = None
    if waist_y is not None:
        waistline, gathers = _waist(cut, waist_y, style, rng)
        folds += gathers
        creases.append((waistline, 0.016, 0.012))
    if cut.sleeves is not None:
        creases += [(hole, 0.02, 0.008) for hole in cut.armholes]
    cover = table.lay(
        Panel(
            cut.torso,
            dye,
            folds=folds,
            creases=creases,
            bulge=0.15 * style.fit,
            bulge_radius=0.55,
            body=body,
            ripple=0.011 * style.crumple,
            lift=0.22,
            seed=style.seed + 29,
        )
    )
    if waistline is not None:
        seam(table, waistline, 0.35)
    for hole, sign in zip(cut.armholes, (-1.0, 1.0), strict=True):
        if cut.sleeves is not None:
            seam(table, hole, 0.34)
        else:
            inward = offset(hole, 0.055 * sign)
            stitch(table, inward, strength=0.18)
            seam(table, inward, 0.08)
    stitch(table, hem, double=-0.024)
    return cover


def _waist(cut: UpperCut, y: float, style: UpperStyle, rng: np.random.Generator) -> tuple[Line, list[Fold]]:
    """The waist seam and the gathers that hang from it."""
    left, right = (np.array([np.interp(y, side[:, 1], side[:, 0]), y]) for side in cut.sides)
    line = bezier(left, (left[0] * 0.4, y + 0.05), (right[0] * 0.4, y + 0.05), right, 60)
    skirt = np.stack([cut.hem[0], cut.hem[1]])
    folds = []
    for place in (np.arange(15) + rng.uniform(0.2, 0.8, 15)) / 15:
        top = np.array([left[0] + place * (right[0] - left[0]), y + 0.05])
        foot = skirt[0] + place * (skirt[1] - skirt[0])
        reach = float(rng.uniform(0.25, 1.12))
        height = FOLD_HEIGHT * style.crumple * (0.5 + 0.9 * reach) * float(rng.uniform(0.6, 1.2))
        to = top + reach * (foot - top)
        folds.append(fold(top, to, 0.028 + 0.05 * reach, height, rng, fade_in=0.1, fade_out=0.02 if reach > 1.04 else 0.7, bend=0.01))
    folds += hanging_folds(skirt, y, 9, FOLD_HEIGHT * style.crumple, rng, depth=2.2)
    return line, folds


def _print_box(cut: UpperCut, style: UpperStyle) -> tuple[float, float, float, float]:
    """Where the print sits: on the chest, below the neckline, clear of the sides."""
    width = 1.34 * style.fit * min(style.pattern_size, 1.3)
    top = float(cut.neckline[:, 1].max()) + BAND + 0.17
    return (-0.5 * width, top, width, 0.92 * width)


def _polo_collar(table: Table, cut: UpperCut, collar: Line, style: UpperStyle, trim: RGB) -> Plane:
    """Placket, buttons and the two leaves of a turned-down collar; returns the leaves' cover."""
    corner, neck = collar[1], cut.neck[1]
    throat = float(cut.neckline[:, 1].max())
    foot = throat + 0.62
    half = 0.088
    placket = points((-half, throat - 0.05), (half, throat - 0.05), (half, foot), (-half, foot))
    cloth = patterned(style.pattern, style.colour, style.accent, style.pattern_size)
    table.lay(Panel(placket, cloth, clip=cut.torso, lift=0.28, ripple=0.003, seed=41))
    seam(table, points((-half, throat), (-half, foot)), 0.25)
    seam(table, points((-half, foot), (half, foot)), 0.30)
    stitch(table, points((-half + 0.022, throat), (-half + 0.022, foot - 0.02)), strength=0.16)
    stitch(table, points((half - 0.022, throat), (half - 0.022, foot - 0.02)), strength=0.16)
    stitch(table, points((-half, foot - 0.06), (half, foot - 0.06)), strength=0.16)
    for y in (throat + 0.18, throat + 0.44):
        button(table, 0.0, y, 0.034, (244, 242, 236) if sum(trim) > 250 else (80, 80, 88))
    tip = np.array([neck[0] * 0.74, throat + 0.10])
    heel = neck
    leaf = np.vstack(
        [
            bezier((0.012, throat + 0.01), (0.11, throat * 0.60), (corner[0] * 0.90, throat * 0.05), corner, 32),
            bezier(corner, (corner[0] + 0.05, corner[1] - 0.005), (heel[0] - 0.02, heel[1] - 0.14), heel, 20)[1:],
            bezier(heel, (heel[0] - 0.02, heel[1] + 0.10), (tip[0] + 0.05, tip[1] - 0.10), tip, 20)[1:],
            bezier(tip, (tip[0] - 0.12, tip[1] - 0.02), (0.12, throat + 0.05), (0.012, throat + 0.01), 20)[1:],
        ]
    )
    cover = np.zeros_like(table.cover)
    for line in (mirrored(leaf), leaf):
        cover = np.maximum(cover, table.lay(Panel(line, plain(trim), lift=0.42, bulge=0.04, bulge_radius=0.12, ripple=0.003, seed=43)))
        inner = offset(resample(line, 160), 0.028)
        stitch(table, inner, strength=0.13)
    return cover


def _turtle_collar(table: Table, cut: UpperCut, collar: Line, style: UpperStyle, trim: RGB) -> None:
    """The ribbed tube about the neck; it is part of the torso's outline and gets its ribs and its seam here."""
    top = cut.neckline[np.abs(cut.neckline[:, 0]) <= abs(collar[1, 0]) + 1e-6]
    top = resample(top[top[:, 1] < float(collar[:, 1].max()) + 0.08], 60)
    half = float(cut.neck[1, 0])
    base = bezier((-half, 0.0), (-half * 0.55, 0.115), (half * 0.55, 0.115), (half, 0.0), 60)
    tube = np.vstack([cut.neckline, base[::-1][1:-1]])
    cover = table.lay(Panel(tube, plain(trim), bulge=0.10, bulge_radius=0.36, lift=0.10, seed=style.seed + 47))
    for part in np.linspace(0.02, 0.98, 44):
        at = 59 * part
        a = np.array([np.interp(at, np.arange(60), top[:, 0]), np.interp(at, np.arange(60), top[:, 1])])
        b = np.array([np.interp(at, np.arange(60), base[:, 0]), np.interp(at, np.arange(60), base[:, 1])])
        table.shade(table.stroke(np.stack([a, b]), 1.2 * table.unit) * cover, 0.88)
    seam(table, base, 0.28)


def _longer(line: Line, by: float) -> Line:
    """The line with straight ends added, so that a band along it reaches the corners of the cloth."""
    first, last = line[0] - line[1], line[-1] - line[-2]
    return np.vstack([line[0] + by * first / np.hypot(*first), line, line[-1] + by * last / np.hypot(*last)])


def _landmarks(cut: UpperCut, stage: Stage) -> UpperLandmarks:
    """The cut's landmarks in px of the picture; a mirrored picture swaps left and right."""
    order = [1, 0] if stage.mirrored else [0, 1]

    def pair(line: Line) -> FloatArray:
        return stage.place(line)[order]

    sleeves = None
    if cut.sleeves is not None:
        sampled = [sample_sleeve(cut.sleeves[i]) for i in order]
        both = [Sleeve(outer=stage.place(outer), inner=stage.place(inner)) for outer, inner in sampled]
        sleeves = (both[0], both[1])
    neckline = cut.neckline[::-1] if stage.mirrored else cut.neckline
    axis = stage.place(np.array([[0.0, 0.0], [0.0, float(cut.hem[:, 1].mean())]]))
    return UpperLandmarks(
        neck=pair(cut.neck),
        shoulder=pair(cut.shoulder),
        armpit=pair(cut.armpit),
        hem=pair(cut.hem),
        side=np.stack([stage.place(sample_side(cut.sides[i])) for i in order]),
        neckline=stage.place(resample(neckline, 65)),
        sleeves=sleeves,
        collar=None if cut.collar is None else pair(cut.collar),
        straps=cut.straps,
        axis_x=float(axis[:, 0].mean()),
    )
