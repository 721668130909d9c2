"""How far a finished picture can be trusted, 0..1, and why not further: from what was measured on the way, not from the picture.

Every sign becomes a score by a ramp: 1 at its good end, `least` at its bad one, straight in between. The confidence is their product, so
each sign lowers it by its own share and the lowest score is the main reason. `least` says how much the sign alone can spoil: one that
alone makes a picture poor may bring it down to about one half or less, one that only makes it a little worse to 0.8.
Good ends lie where ordinary photos still are. All were checked by `benchmarks/calibration.py`, which ranks pictures by them.

The person's signs are taken once, when the photo is read; a try-on adds those of the drape, from curves of a few hundred numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from models.person.body import ANKLES, ELBOWS, HIPS, KNEES, ROW_COUNT, ROW_SPAN, SHOULDERS, Body
from models.person.limbs import arm_coordinates, first, look_up
from models.types import BoolArray, Category, FloatArray, Label, LabelMap, Notice, PersonParse, Picture, Pose

LOW = 0.4
"""Pictures with less are visibly poor: the caller is told."""
REASON_BELOW = 0.7
"""A sign whose score is below is told as a reason, whatever the confidence."""
MAIN_REASON_BELOW = 0.9
"""... and the lowest one, when the confidence is low, if it is below this."""

RAY_FROM, RAY_TO, RAY_STEP = 0.25, 0.95, 0.02
"""The outline of the trunk is looked for at these distances from its axis, in units, ..."""
SIDES_FROM = 0.4
"""... from this far below the shoulder line on. Above there are armpits."""
ARM_FROM = 0.38
"""An arm nearer to the axis than this lies before the trunk."""
ON_ARM = 1.05
"""So many half widths from its bones an arm ends."""
TOPS_AT, TOPS_FROM, TOPS_TO = (0.30, 0.50), -0.10, 0.42
"""The shoulders' tops are looked for between these distances from the middle, and these heights above the joints (units)."""
HAIR_ACROSS = 0.75
"""Hair below the shoulder line and this near to the axis lies over the garment (units)."""
CRUSHED_BELOW = 16
"""Luma under which a picture has no detail left, of 255."""
SHARP_UNIT_PX, SHARP_BLUR_PX, SHARP_PERCENTILE = 96, 3.0, 97
"""Edges are measured with the person reduced to this size: there a focused photo's lose a good half of their steepness by this blur."""
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
NOISE_FACTOR = 6 * 0.6745
"""Median absolute answer of that kernel to white noise of deviation 1: it does not see edges and shading (Immerkær 1996)."""
STRETCH_PERCENTILE = 90
"""Higher ones tell of single rows near the armpits."""


@dataclass(frozen=True, slots=True)
class PersonSigns:
    """What speaks for and against a photo of a person. Shares are 0..1; units are `Body.unit_px`."""

    certainty: float
    """`PersonParse.certainty`."""
    agreement: float
    """IoU of the two networks' masks of the person."""
    shoulders_seen: float
    """Least visibility of the shoulders' landmarks."""
    elbows_seen: float
    """Mean visibility of the elbows', of those that are in the picture; 1 without."""
    knees_seen: float
    """Mean visibility of the knees', likewise."""
    trunk_inside: float
    """Share of the trunk, from shoulders to hips, that is in the picture."""
    legs_inside: float
    """Share of the legs, from hips to ankles, that is in the picture."""
    sides_found: float
    """Share of the trunk's rows, both sides, whose outline is seen against the ground or an arm."""
    tops_found: float
    """Share of the shoulders' tops that is seen against the ground."""
    hair: float
    """Area of hair over the garment, units²."""
    waist_known: bool
    waist_spread: float
    """`Body.waist_spread`, units."""
    breadth: float
    """Distance of the shoulder joints in trunk lengths: small for a body turned away, large for a foreshortened one."""
    thighs_down: float
    """Trunk lengths that the higher knee lies below its hip, where knees are seen (else 1): small for a person who sits."""
    unit_px: float
    """Size of the person in the photo."""
    dark: float
    """Share of the person without detail in the shadows."""
    brightest: float
    """99th percentile of the whole photo's luma, of 255: how it was exposed, whatever the wearer's skin and clothes."""
    noise: float
    """Standard deviation of the picture's noise on the person, of 255."""
    sharpness: float
    """Steepness of the person's edges against the same edges blurred: 1 out of focus, 2 and more in focus."""


@dataclass(frozen=True, slots=True)
class DrapeSigns:
    """What speaks against a drape; of its main piece, the torso or the halves of a lower garment, as far as it is in the picture."""

    stretch: float
    """90th percentile of the factor between the scale of a row or edge and the typical one; 1 is a rigid move."""
    turned: float
    """Share of the rows that are turned over."""


class Verdict(NamedTuple):
    confidence: float
    """0..1."""
    reasons: tuple[Notice, ...]
    """The worst first."""


class _Ramp(NamedTuple):
    """1 from `good` on, `least` from `bad` on; `bad` may be the larger of the two."""

    bad: float
    good: float
    least: float

    def __call__(self, value: float) -> float:
        share = (value - self.bad) / (self.good - self.bad)
        return self.least + (1 - self.least) * min(1.0, max(0.0, share))


CERTAIN = _Ramp(0.0, 0.9, 0.0)
"""Usual photos have 0.77 and more. Falls slowly at first (see `_parse_score`): black on black is doubted more than it errs."""
PARSE_LEAST = 0.2
AGREED = _Ramp(0.60, 0.93, 0.4)
"""The networks agree to 0.95 to 0.99 on people before a plain ground; under 0.9 one of them took a thing or the ground for the person."""
SHOULDERS_SEEN = _Ramp(0.5, 0.95, 0.3)
ELBOWS_SEEN = _Ramp(0.3, 0.9, 0.85)
"""Hands on the hips hide elbows; sleeves are then guessed, the rest is not touched."""
KNEES_SEEN = _Ramp(0.3, 0.8, 0.6)
TRUNK_INSIDE = _Ramp(0.3, 1.0, 0.8)
"""A photo that ends at the waist loses little that would be seen; one that ends at the chest tells neither length nor width."""
LEGS_INSIDE = _Ramp(0.1, 1.0, 0.3)
"""Photos that end at the thighs have 0.3 to 0.6: fall and hem are guessed then, and hardly seen."""
TOPS_FOUND = _Ramp(0.0, 0.7, 0.9)
HAIR = _Ramp(0.2, 0.0, 0.8)
"""Long hair over one shoulder covers about 0.15: neckline and shoulder are guessed under it."""
SIDES_FOUND = _Ramp(0.2, 0.8, 0.8)
WAIST = _Ramp(0.15, 0.02, 0.7)
"""A clear waist line has 0.02 and less; things that hang over it more."""
WAIST_LOST = 0.7
"""The hips are in the picture and no waist line was found, black on black mostly: it is a guess then how long the old top is."""
TURNED_AWAY, FORESHORTENED = _Ramp(0.30, 0.62, 0.3), _Ramp(1.3, 0.95, 0.4)
"""Adults who face the camera have 0.62 to 0.8; those with one shoulder forward have less, and one of their sides is guessed."""
SEATED = _Ramp(0.10, 0.45, 0.3)
"""Thighs of people who stand run down 0.7 trunk lengths and more."""
SIZE = _Ramp(25, 60, 0.8)
"""Photos of 60 px from shoulder to shoulder (200 px in height) gave as good outlines as large ones; below, sleeves are a dozen px."""
DARK = _Ramp(0.8, 0.2, 0.6)
"""A well-lit person in black has 0.1 to 0.2."""
EXPOSED = _Ramp(120, 200, 0.5)
"""Well exposed photos reach 220 and more, by night with lamps too; people in colours keep their shadows far below."""
NOISE = _Ramp(30, 10, 0.75)
SHARPNESS = _Ramp(1.0, 1.7, 0.5)
"""In focus: 1.9 and more, however small the person; visibly blurred: 1.4."""
STRETCH = _Ramp(2.5, 1.5, 0.4)
"""Garments of another cut than the worn ones reach 1.4."""
TURNED_OVER = _Ramp(0.2, 0.0, 0.2)
GARMENT = _Ramp(0.3, 0.75, 0.3)
"""`GarmentReading.confidence` of clean pictures is 0.8 and more."""

REASONS = {
    "parse-unsure": "It is unclear where clothes, skin and hair begin and end: a plain ground and even light help.",
    "background-unclear": "The person does not stand out from what is behind: a plain ground without other things near the body helps.",
    "shoulders-hidden": "The shoulders are hard to see: take the photo from the front, with both shoulders free.",
    "elbows-hidden": "The arms are partly hidden: let them hang a little away from the body.",
    "knees-hidden": "The knees are hard to see: show both legs, with nothing before them.",
    "body-cut-off": "The photo ends before the garment does: step back so that the body is in the picture to below the hips.",
    "legs-cut-off": "The legs are cut off: step back so that the feet are in the picture.",
    "hair-over-garment": "Hair lies over the shoulders: tie it back to see the neckline and the shoulders as they are.",
    "outline-hidden": "The outline of the upper body is hidden: stand free, with the arms a little away from the body.",
    "waist-unclear": "It is unclear where the top ends and the trousers or the skirt begin: tuck the top in, or wear another colour below.",
    "body-turned": "The body is turned away: take the photo from the front.",
    "body-foreshortened": "The body is seen from above or leans: hold the camera at the height of the chest and stand upright.",
    "body-seated": "The person seems to sit: stand upright.",
    "person-small": "The person is small in the photo: step nearer or crop it.",
    "photo-dark": "The photo is too dark to see the folds and edges: use more light, from the front.",
    "photo-noisy": "The photo is grainy: use more light.",
    "photo-blurred": "The photo is out of focus or shaken: hold the camera still.",
    "garment-stretched": "The garment had to be stretched unevenly to fit: the pose, or the cut of the garment, is unusual.",
    "garment-twisted": "The garment turned over itself on this pose: stand upright, facing the camera.",
    "garment-unclear": "The garment picture could not be read surely: use one that shows it alone, from the front, on a plain ground.",
}
"""Sentences by code. Codes are stable."""
LOW_CODE = "low-confidence"
CODES = frozenset((*REASONS, LOW_CODE))


def judge(person: PersonSigns, categories: Sequence[Category], garments: Sequence[float] = (), drape: DrapeSigns | None = None) -> Verdict:
    """Confidence and reasons for drawing garments of `categories` on a person.

    garments: confidence 0..1 of each garment's reading; drape: of the outermost one, None before anything is drawn.
    """
    scores = _person_scores(person, categories)
    if garments:
        scores["garment-unclear"] = GARMENT(min(garments))
    if drape is not None:
        scores["garment-stretched"], scores["garment-twisted"] = STRETCH(drape.stretch), TURNED_OVER(drape.turned)
    confidence = math.prod(scores.values())
    worst = sorted(scores, key=lambda code: scores[code])
    told = [Notice(code, REASONS[code]) for code in worst if scores[code] < REASON_BELOW]
    if confidence < LOW:
        main = worst[0] if scores[worst[0]] < MAIN_REASON_BELOW else "parse-unsure"
        told.insert(0, Notice(LOW_CODE, f"The picture may look wrong. {REASONS[main]}"))
    return Verdict(confidence, tuple(told))


def _person_scores(p: PersonSigns, categories: Sequence[Category]) -> dict[str, float]:
    """0..1 by code."""
    upper = any(c is not Category.LOWER for c in categories)
    legs = any(c is not Category.UPPER for c in categories)
    trousers = Category.LOWER in categories
    scores = {
        "parse-unsure": _parse_score(p.certainty),
        "background-unclear": AGREED(p.agreement),
        "shoulders-hidden": SHOULDERS_SEEN(p.shoulders_seen),
        "body-turned": TURNED_AWAY(p.breadth),
        "body-foreshortened": FORESHORTENED(p.breadth),
        "person-small": SIZE(p.unit_px),
        "photo-dark": DARK(p.dark) * EXPOSED(p.brightest),
        "photo-noisy": NOISE(p.noise),
        "photo-blurred": SHARPNESS(p.sharpness),
    }
    if upper:
        scores["elbows-hidden"] = ELBOWS_SEEN(p.elbows_seen)
        scores["body-cut-off"] = TRUNK_INSIDE(p.trunk_inside)
        scores["outline-hidden"] = SIDES_FOUND(p.sides_found) if p.trunk_inside >= 1 else 1.0  # what is cut off is told once
        scores["hair-over-garment"] = TOPS_FOUND(p.tops_found) * HAIR(p.hair)
    if legs:
        scores["legs-cut-off"] = LEGS_INSIDE(p.legs_inside)
        scores["body-seated"] = SEATED(p.thighs_down)
    if trousers:
        scores["knees-hidden"] = KNEES_SEEN(p.knees_seen)
    if Category.DRESS not in categories:
        lost = WAIST_LOST if p.trunk_inside >= 1 else 1.0
        scores["waist-unclear"] = WAIST(p.waist_spread) if p.waist_known else lost
    return scores


def _parse_score(certainty: float) -> float:
    return PARSE_LEAST + (1 - PARSE_LEAST) * (1 - (1 - CERTAIN(certainty)) ** 2)


def look_at_person(
    photo: Picture, pose: Pose, parse: PersonParse, body: Body, pose_mask: FloatArray, selfie_mask: FloatArray
) -> PersonSigns:
    """Takes the signs of a person in `photo` (H, W, 3), all of whose measures are in its px; the masks (H, W) 0..1."""
    trunk, legs = _inside(body, pose, parse.labels.shape)
    sides, tops = _outline_found(parse.labels, body)
    dark, noise, sharpness = _light(photo, parse.labels, body.unit_px)
    knees = [leg for leg in body.legs if leg.visible]
    down = -body.up
    fall = [float((leg.joints[1] - leg.joints[0]) @ down) / max(body.trunk_px, 1.0) for leg in knees]
    return PersonSigns(
        certainty=parse.certainty,
        agreement=_agreement(pose_mask, selfie_mask),
        shoulders_seen=float(pose.visibility[list(SHOULDERS)].min()),
        elbows_seen=_visible(pose, ELBOWS, parse.labels.shape),
        knees_seen=_visible(pose, KNEES, parse.labels.shape),
        trunk_inside=trunk,
        legs_inside=legs,
        sides_found=sides,
        tops_found=tops,
        hair=_hair_over(parse.labels, body),
        waist_known=body.waist_known,
        waist_spread=body.waist_spread,
        breadth=body.shoulder_px / max(body.trunk_px, 1.0),
        thighs_down=min(fall, default=1.0),  # who has one leg drawn up does not stand
        unit_px=body.unit_px,
        dark=dark,
        brightest=_brightest(photo),
        noise=noise,
        sharpness=sharpness,
    )


def _agreement(pose_mask: FloatArray, selfie_mask: FloatArray) -> float:
    step = 4  # outlines are smooth: a sixteenth of the pixels says as much
    a, b = pose_mask[::step, ::step] > 0.5, selfie_mask[::step, ::step] > 0.5
    return float((a & b).sum() / max(1, int((a | b).sum())))


def _rows(body: Body) -> FloatArray:
    """(ROW_COUNT,) px below the shoulder line of the body's rows."""
    return np.linspace(0, ROW_SPAN * body.unit_px, ROW_COUNT)


def _in_picture(points: FloatArray, shape: tuple[int, ...]) -> BoolArray:
    """(...) whether `points` (..., 2) lie in a picture of `shape` (H, W)."""
    return np.asarray(((points >= 0) & (points < [shape[1], shape[0]])).all(-1), np.bool_)


def _visible(pose: Pose, pair: tuple[int, int], shape: tuple[int, ...]) -> float:
    """Mean visibility of those landmarks of a pair that are in the picture; what is beyond its edge is not drawn either."""
    inside = _in_picture(pose.xy[list(pair)], shape)
    return float(pose.visibility[list(pair)][inside].mean()) if inside.any() else 1.0


def _inside(body: Body, pose: Pose, shape: tuple[int, ...]) -> tuple[float, float]:
    """Shares of trunk and legs that are in the picture."""
    trunk = _rows(body) <= body.trunk_px
    share = float(_in_picture(body.row_middle[trunk], shape).mean())
    along = np.linspace(0, 1, 21)[:, None]
    hip, ankle = pose.xy[list(HIPS)].mean(0), np.mean([leg.joints[2] for leg in body.legs], axis=0)
    if all(leg.visible for leg in body.legs):
        ankle = pose.xy[list(ANKLES)].mean(0)
    return share, float(_in_picture(hip + (ankle - hip) * along, shape).mean())


def _outline_found(labels: LabelMap, body: Body) -> tuple[float, float]:
    """Shares of the trunk's sides and of the shoulders' tops that are seen, before hair or a held thing or the picture's edge."""
    unit, away = body.unit_px, _rows(body)
    rows = (away > SIDES_FROM * unit) & (away <= body.trunk_px)
    steps = np.arange(RAY_FROM, RAY_TO, RAY_STEP) * unit
    sides, tops = [], []
    lateral = np.linspace(*TOPS_AT, 8)[:, None] * unit
    heights = np.arange(TOPS_FROM, TOPS_TO, 0.01) * unit
    for sign, arm in zip((-1, 1), body.arms, strict=True):
        points = body.row_middle[rows, None] + sign * body.row_right[rows, None] * steps[:, None]
        seen, inside = look_up(labels, points), _in_picture(points, labels.shape)
        on_arm = (arm_coordinates(points, arm)[0] < ON_ARM) & (steps > ARM_FROM * unit)
        sides.append(_before(((seen == Label.BACKGROUND) | on_arm) & inside, _hidden(seen) | ~inside))
        points = (body.middle + sign * body.right * lateral)[:, None] + body.over * heights[:, None]
        seen = look_up(labels, points)
        tops.append(_before((seen == Label.BACKGROUND) & (heights > TOPS_FROM / 2 * unit), _hidden(seen)))
    return float(np.mean(sides)), float(np.mean(tops))


def _hidden(seen: LabelMap) -> BoolArray:
    return np.asarray((seen == Label.HAIR) | (seen == Label.OTHER), np.bool_)


def _before(hits: BoolArray, stops: BoolArray) -> float:
    """Share of the rays (N, steps) that hit before they stop."""
    if not len(hits):
        return 0.0
    never = hits.shape[1]
    return float((first(hits, never) < first(stops, never)).mean())


def _hair_over(labels: LabelMap, body: Body) -> float:
    step = max(1, round(body.unit_px / 64))
    y, x = np.nonzero(labels[::step, ::step] == Label.HAIR)
    offset = np.stack([x, y], -1) * step - body.middle
    over = (offset @ body.up < 0) & (np.abs(offset @ body.right) < HAIR_ACROSS * body.unit_px)
    return float(over.sum()) * step**2 / body.unit_px**2


def _light(photo: Picture, labels: LabelMap, unit_px: float) -> tuple[float, float, float]:
    """Share of crushed shadows, noise, and sharpness of the person; a well-lit sharp photo where there is nobody."""
    rows, columns = np.flatnonzero(labels.any(1)), np.flatnonzero(labels.any(0))
    if rows.size < 3 or columns.size < 3:
        return 0.0, 0.0, 2.0
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    luma = cv2.cvtColor(photo[box], cv2.COLOR_RGB2GRAY)
    person = (labels[box] != Label.BACKGROUND).astype(np.uint8)
    dark = float((luma[person > 0] < CRUSHED_BELOW).mean())
    answer = np.abs(cv2.filter2D(luma, cv2.CV_16S, NOISE_KERNEL))[::2, ::2]
    noise = float(np.median(answer[person[::2, ::2] > 0])) / NOISE_FACTOR if person[::2, ::2].any() else 0.0
    scale = SHARP_UNIT_PX / unit_px
    size = (max(8, round(luma.shape[1] * scale)), max(8, round(luma.shape[0] * scale)))
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.float32)
    near = cv2.dilate(cv2.resize(person, size, interpolation=cv2.INTER_NEAREST), np.ones((7, 7), np.uint8)) > 0
    blurry = np.asarray(cv2.GaussianBlur(small, (0, 0), SHARP_BLUR_PX), np.float32)
    own, blurred = (np.percentile(_steepness(x)[near], SHARP_PERCENTILE) for x in (small, blurry))
    return dark, noise, float(own / max(1.0, float(blurred)))


def _brightest(photo: Picture) -> float:
    step = max(1, max(photo.shape[:2]) // 256)
    return float(np.percentile(cv2.cvtColor(np.ascontiguousarray(photo[::step, ::step]), cv2.COLOR_RGB2GRAY), 99))


def _steepness(luma: FloatArray) -> FloatArray:
    return np.asarray(cv2.magnitude(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)), np.float32)


def look_at_drape(on_body: FloatArray, on_picture: FloatArray, size: tuple[int, int]) -> DrapeSigns:
    """Compares pieces (P, 2, R, 2) on the body (px of a photo of `size` (H, W)) with the same on the garment picture.

    A piece is its two edges, left and right or outer and inner, at R rows.
    """
    seen = np.asarray(_in_picture(on_body, size).all(1), np.bool_)  # beyond the picture's edges nothing is drawn, and curves are guesses
    between = seen[:, 1:] & seen[:, :-1]
    if not between.any():
        return DrapeSigns(1.0, 0.0)
    across, along = _across(on_body), np.diff(on_body, axis=2)
    across0, along0 = _across(on_picture), np.diff(on_picture, axis=2)
    width = (np.linalg.norm(across, axis=-1) + 1e-3) / (np.linalg.norm(across0, axis=-1) + 1e-3)
    length = (np.linalg.norm(along, axis=-1) + 1e-3) / (np.linalg.norm(along0, axis=-1) + 1e-3)
    scales = np.concatenate([width[seen], length[np.broadcast_to(between[:, None], length.shape)]])
    logs = np.sort(np.log(scales))
    away = np.sort(np.abs(logs - logs[len(logs) // 2]))
    turned = np.sign(_cross(across, along)) != np.sign(_cross(across0, along0))
    return DrapeSigns(math.exp(away[len(away) * STRETCH_PERCENTILE // 100]), float(turned.any(1)[between].mean()))


def _across(pieces: FloatArray) -> FloatArray:
    """(P, R, 2) from one edge to the other."""
    difference: FloatArray = pieces[:, 1] - pieces[:, 0]
    return difference


def _cross(across: FloatArray, along: FloatArray) -> FloatArray:
    """(P, 2, R - 1) signed areas that both edges span with the rows' directions."""
    mean = (across[:, None, 1:] + across[:, None, :-1]) / 2
    area: FloatArray = mean[..., 0] * along[..., 1] - mean[..., 1] * along[..., 0]
    return area
