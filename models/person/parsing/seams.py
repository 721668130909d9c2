"""The last word on the photo's own pixels: where the top ends and the lower garment begins, which of it shows between the ends of hair,
and what lies along a garment's outline.

A working pixel is four of the photo's: a waistband's corner or the tape on a shoulder is one or two of them. Here both garments, and the
ground, are known for what they look like; histograms of colour, which know as many colours as a garment has, decide pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.bits import BitMask
from models.person.parsing.anatomy import HIPS, SHOULDERS, WIDTH_OF_TRUNK
from models.person.parsing.fields import Frame
from models.types import BoolArray, FloatArray, Label, LabelMap, Picture, Pose

GRID = 60
"""Body widths are looked at in about so many pixels when a garment's colours are learnt, and where two of them meet is sought."""
SEAM = 0.12
"""Half width of the band along the line between the garments, in body widths."""
LEARNT = 4
"""A garment's colours are learnt within so many bands of the line."""
FEWEST_PX = 60
"""A garment of which the coarse grid shows fewer pixels there is not known."""
BINS, BIN_L, BIN_AB = 16, 16, 6
"""Of a histogram a side, and the width of a bin in lightness and in a and b (8-bit Lab)."""
UNKNOWN = 2e-3
"""Share a bin has of a colour never seen: then the garments are told apart no more."""
MOST = 4.0
"""Nats one pixel can give for one garment."""
ALIKE, UNLIKE = 0.55, 0.25
"""Overlap of the two histograms from which colours say nothing, and under which they say all they can."""
KEPT_AT, KEPT_FAR = 0.3, 1.6
"""Weight of what the parse said, at the line and at the end of the band."""
SAID = 3.0
"""Nats the parse can say."""
TIPS = 0.16
"""Between hair and a top their colours decide within this of both, in body widths ..."""
TIPS_SURE = 0.05
"""... and are learnt beyond this of each other, hair's above the top."""
TIPS_AT, TIPS_FAR = 0.25, 1.0
"""Weight of what the parse said there, where they meet and so far from it."""
TIPS_UNKNOWN, TIPS_MOST = 1e-5, 6.0
"""`UNKNOWN` and `MOST` there: a print may be a small share of a top, and quite unlike hair."""
TAIL, TAIL_BINS = 0.2, 2
"""So much of a histogram is spread over about so many bins each way, for colours that were never seen themselves."""
BUTTON = 0.09
"""A button is no wider than this, in body widths ..."""
ENCLOSED, ROUND = 0.55, 0.5
"""... has so much of the other garment around it, and fills so much of its box."""
OUTLINE = 0.04
"""Ground so near to a garment, in body widths, may be its piping ..."""
LEAST_MASK = 0.005
"""... where the masks say at least this ..."""
UNSEEN = 2e-4
"""... and less than this share of the ground around has such a colour."""
SURE_GROUND = 0.03
"""The ground is learnt where the masks say less."""
SLIVER, SLIVER_MASK = 0.015, 0.3
"""Ground thinner than twice this, in body widths, with the garment on both sides, is a stripe on it where the masks say so."""

Ints = npt.NDArray[np.intp]
Histogram = FloatArray


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A person's box of the photo; `probabilities` and `labels` are written to."""

    rgb: Picture
    probabilities: FloatArray
    labels: LabelMap
    mask: FloatArray
    """0..1."""
    unit: float
    """Body width in px."""
    step: int
    """Pixels from one row or column of the coarse grid to the next."""


def touch_up(
    probabilities: FloatArray, labels: LabelMap, photo: Picture, masks: tuple[FloatArray, FloatArray], pose: Pose, frame: Frame
) -> None:
    """Corrects a parse (6, H, W) and its labels (H, W) in place; `masks` (H, W) 0..1 of the person."""
    xy = np.nan_to_num(pose.xy)
    shoulders, hips = xy[list(SHOULDERS)], xy[list(HIPS)]
    trunk = float(np.linalg.norm(shoulders.mean(0) - hips.mean(0)))
    unit = max(float(np.linalg.norm(shoulders[0] - shoulders[1])), WIDTH_OF_TRUNK * trunk)
    step = max(1, round(unit / GRID))
    rows, columns = frame.window
    if unit < GRID / 4 or min(frame.bottom - frame.top, frame.right - frame.left) < 4 * step:
        return
    sheet = _Sheet(photo[rows, columns], probabilities[:, rows, columns], labels[rows, columns], sum_of(masks, frame), unit, step)
    _seam(sheet)
    _tips(sheet)
    _outline(sheet, Label.UPPER)


def sum_of(masks: tuple[FloatArray, FloatArray], frame: Frame) -> FloatArray:
    one, other = (mask[frame.window] for mask in masks)
    return np.asarray(cv2.addWeighted(one, 0.5, other, 0.5, 0.0), np.float32)


def _bins(rgb: Picture) -> Ints:
    """(..., 3) -> the number of each pixel's bin."""
    lab = cv2.cvtColor(rgb.reshape(1, -1, 3), cv2.COLOR_RGB2LAB)[0].astype(np.intp)
    lightness = lab[:, 0] // BIN_L
    a, b = (np.clip((lab[:, k] - 128 + BINS * BIN_AB // 2) // BIN_AB, 0, BINS - 1) for k in (1, 2))
    return np.asarray((lightness * BINS + a) * BINS + b)


def _histogram(bins: Ints) -> Histogram:
    """Shares of the bins, smoothed by one bin each way."""
    counts = _smoothed(np.bincount(bins, minlength=BINS**3).astype(np.float32))
    shares: Histogram = counts / max(1.0, float(counts.sum()))
    return shares


def _smoothed(counts: Histogram) -> Histogram:
    """Spread by one bin each way."""
    cube = counts.reshape(BINS, BINS, BINS)
    for axis in range(3):
        padded = np.pad(cube, [(1, 1) if k == axis else (0, 0) for k in range(3)])
        before, after = (np.take(padded, np.arange(k, k + BINS), axis) for k in (0, 2))
        cube = 0.5 * cube + 0.25 * (before + after)
    spread: Histogram = cube.ravel()
    return spread


def _with_tails(shares: Histogram) -> Histogram:
    """A histogram that tells a colour never seen, but close to one that was, from one that is like none."""
    wide = shares
    for _ in range(TAIL_BINS**2):
        wide = _smoothed(wide)
    tailed: Histogram = (1 - TAIL) * shares + TAIL * wide
    return tailed


def _grown(mask: BoolArray, radius: int) -> BoolArray:
    return BitMask(mask, radius).grow(_disc(2 * radius + 1)).mask


def _disc(size: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _box(mask: BoolArray, step: int, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of the full size around what a coarse mask marks."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    margin = -(-margin // step) * step
    return (
        slice(max(0, int(rows[0]) * step - margin), min(shape[0], (int(rows[-1]) + 1) * step + margin)),
        slice(max(0, int(columns[0]) * step - margin), min(shape[1], (int(columns[-1]) + 1) * step + margin)),
    )


def _seam(sheet: _Sheet) -> None:
    """Upper or lower, along the line between them."""
    step, reach = sheet.step, max(2, round(SEAM * sheet.unit / sheet.step))
    coarse, rgb = sheet.labels[::step, ::step], sheet.rgb[::step, ::step]
    upper, lower = coarse == Label.UPPER, coarse == Label.LOWER
    band = _grown(upper, reach) & _grown(lower, reach) & (upper | lower)
    box = _box(band, step, round(BUTTON * sheet.unit), sheet.labels.shape)
    if box is None:
        return
    about = _grown(band, (LEARNT - 1) * reach) & ~band
    known = [_bins(rgb[about & garment]) for garment in (upper, lower)]
    if min(len(bins) for bins in known) < FEWEST_PX:
        return
    of_upper, of_lower = (_histogram(bins) for bins in known)
    told = float(np.clip((ALIKE - np.sqrt(of_upper * of_lower).sum()) / (ALIKE - UNLIKE), 0, 1))
    if told == 0:
        return
    labels, q = sheet.labels[box], sheet.probabilities[:, box[0], box[1]]
    nats = told * np.clip(np.log((of_lower + UNKNOWN) / (of_upper + UNKNOWN)), -MOST, MOST).astype(np.float32)
    upper, lower = labels == Label.UPPER, labels == Label.LOWER
    cloth = (upper | lower).astype(np.float32)
    away = np.maximum(*(cv2.distanceTransform((~garment).view(np.uint8), cv2.DIST_L2, 3) for garment in (upper, lower))) / (
        SEAM * sheet.unit
    )
    seen = np.zeros(labels.shape, np.float32)
    at = np.nonzero((upper | lower) & (away < 1.1))
    seen[at] = nats[_bins(sheet.rgb[box][at])]
    width = 2 * max(1, round(0.006 * sheet.unit)) + 1
    seen = cv2.blur(seen, (width, width)) / np.maximum(cv2.blur(cloth, (width, width)), 1e-3)
    said = np.clip(np.log((q[Label.LOWER] + 0.02) / (q[Label.UPPER] + 0.02)), -SAID, SAID)
    score = seen + (KEPT_AT + (KEPT_FAR - KEPT_AT) * away) * said
    free = (upper | lower) & (away < 1)
    now_lower = np.where(free, score > 0, lower)
    now_upper = (upper | lower) & ~now_lower
    buttons = _patches(now_upper, now_lower, sheet.unit, attached=True) & free
    now_upper, now_lower = now_upper & ~buttons, now_lower | buttons
    specks = _patches(now_lower, now_upper, sheet.unit, attached=False) & free
    now_upper, now_lower = now_upper | specks, now_lower & ~specks
    change = (upper & now_lower) | (lower & now_upper)
    both = q[Label.UPPER] + q[Label.LOWER]
    sure = np.maximum(0.6, 1 / (1 + np.exp(-np.abs(score))))
    share = np.where(now_lower, sure, 1 - sure)
    q[Label.UPPER][change] = (both * (1 - share))[change]
    q[Label.LOWER][change] = (both * share)[change]
    labels[change] = np.where(now_lower, Label.LOWER, Label.UPPER)[change]


def _tips(sheet: _Sheet) -> None:
    """Hair or the top, where locks end on it: print, lace and collars between them are neither hair's colour nor hair."""
    step, reach = sheet.step, max(2, round(TIPS * sheet.unit / sheet.step))
    coarse, rgb = sheet.labels[::step, ::step], sheet.rgb[::step, ::step]
    hair, upper = coarse == Label.HAIR, coarse == Label.UPPER
    band = _grown(hair, reach) & _grown(upper, reach) & (hair | upper)
    box = _box(band, step, step, sheet.labels.shape)
    if box is None:
        return
    sure = max(1, round(TIPS_SURE * sheet.unit / step))
    # further down a print may have been taken for hair
    head = hair & (np.arange(len(hair)) < np.flatnonzero(upper.any(1))[0])[:, None]
    known = [_bins(rgb[this & ~_grown(other, sure)]) for this, other in ((head, upper), (upper, hair))]
    if min(len(bins) for bins in known) < FEWEST_PX:
        return
    of_hair, of_upper = (_histogram(bins) for bins in known)
    told = float(np.clip((ALIKE - np.sqrt(of_hair * of_upper).sum()) / (ALIKE - UNLIKE), 0, 1))
    if told == 0:
        return
    labels, q = sheet.labels[box], sheet.probabilities[:, box[0], box[1]]
    here = cv2.resize(band[box[0].start // step :, box[1].start // step :].view(np.uint8), None, fx=step, fy=step, interpolation=0)
    size = (min(here.shape[0], labels.shape[0]), min(here.shape[1], labels.shape[1]))
    labels, q = labels[: size[0], : size[1]], q[:, : size[0], : size[1]]
    both = q[Label.HAIR] + q[Label.UPPER]
    at = np.nonzero((here[: size[0], : size[1]] > 0) & (both > 0.5))
    ratio = (_with_tails(of_upper) + TIPS_UNKNOWN) / (_with_tails(of_hair) + TIPS_UNKNOWN)
    nats = np.clip(np.log(ratio), -TIPS_MOST, TIPS_MOST).astype(np.float32)
    seen, count = np.zeros(size, np.float32), np.zeros(size, np.float32)
    seen[at], count[at] = told * nats[_bins(sheet.rgb[box][: size[0], : size[1]][at])], 1
    width = 2 * max(1, round(0.004 * sheet.unit)) + 1
    seen = cv2.blur(seen, (width, width)) / np.maximum(cv2.blur(count, (width, width)), 1e-3)
    away = np.maximum(*(cv2.distanceTransform((labels != this).view(np.uint8), cv2.DIST_L2, 3)[at] for this in (Label.HAIR, Label.UPPER)))
    kept = TIPS_AT + (TIPS_FAR - TIPS_AT) * np.minimum(away / (TIPS * sheet.unit), 1)
    said = np.clip(np.log((q[Label.UPPER][at] + 0.02) / (q[Label.HAIR][at] + 0.02)), -SAID, SAID)
    # the top may gain only: the edges of a print have all kinds of colours
    share = np.maximum(1 / (1 + np.exp(-(seen[at] + kept * said))), q[Label.UPPER][at] / both[at])
    q[Label.UPPER][at] = both[at] * share
    q[Label.HAIR][at] = both[at] * (1 - share)
    told_now = labels[at]
    labels[at] = np.where((told_now == Label.HAIR) | (told_now == Label.UPPER), np.where(share > 0.5, Label.UPPER, Label.HAIR), told_now)


def _patches(this: BoolArray, other: BoolArray, unit: float, attached: bool) -> BoolArray:
    """Of one garment, what is no wider than a button and lies amid the other; `attached` also round ones that touch the garment's edge."""
    diameter = max(3, round(BUTTON * unit)) | 1
    small = this.copy()
    if attached:
        kernel = _disc(diameter)
        small &= ~BitMask(this, diameter // 2).shrink(kernel).grow(kernel).mask
    out = np.zeros_like(this)
    for mask, is_round in ((this, False), (small, True)) if attached else ((this, False),):
        count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
        for part in range(1, count):
            x, y, w, h, area = (int(v) for v in stats[part])
            if max(w, h) > 1.3 * diameter or (is_round and (area < ROUND * w * h or min(w, h) < 0.3 * diameter)):
                continue
            window = np.s_[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2]
            here = parts[window] == part
            ring = _grown(np.ascontiguousarray(here), 1) & ~here
            if other[window][ring].mean() > ENCLOSED:
                out[window] |= here
    return out


def _outline(sheet: _Sheet, garment: Label) -> None:
    """Piping and tapes along a garment's outline that were taken for the ground."""
    step, reach = sheet.step, max(1, round(OUTLINE * sheet.unit / sheet.step))
    coarse, rgb = sheet.labels[::step, ::step], sheet.rgb[::step, ::step]
    cloth, ground = coarse == garment, coarse == Label.BACKGROUND
    beside = _grown(cloth, 6 * reach) & ~_grown(cloth, reach) & ground & (sheet.mask[::step, ::step] < SURE_GROUND)
    near = _grown(cloth, reach + 1) & _grown(ground, reach + 1)
    if np.count_nonzero(cloth) < FEWEST_PX or np.count_nonzero(beside) < FEWEST_PX or not near.any():
        return
    of_ground = _histogram(_bins(rgb[beside]))
    box = _box(near, step, step, sheet.labels.shape)
    if box is None:
        return
    labels, mask, colours = sheet.labels[box], sheet.mask[box], sheet.rgb[box]
    here = cv2.resize(
        near[box[0].start // step :, box[1].start // step :].view(np.uint8), None, fx=step, fy=step, interpolation=cv2.INTER_NEAREST
    )
    size = (min(here.shape[0], labels.shape[0]), min(here.shape[1], labels.shape[1]))
    labels, mask, colours = labels[: size[0], : size[1]], mask[: size[0], : size[1]], colours[: size[0], : size[1]]
    near = here.view(np.bool_)[: size[0], : size[1]]
    ground = labels == Label.BACKGROUND
    at = np.nonzero(near & ground & (mask > LEAST_MASK))
    new = np.zeros(size, np.bool_)
    new[at] = (of_ground < UNSEEN)[_bins(colours[at])]
    # a rim of mixed pixels is thinner
    new = cv2.morphologyEx(new.view(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).view(np.bool_)
    radius = max(1, round(SLIVER * sheet.unit))
    kernel = _disc(2 * radius + 1)
    closed = BitMask((labels == garment) | new, radius).grow(kernel).shrink(kernel).mask
    new |= closed & ground & (mask > np.where(_grown(new, radius), LEAST_MASK, SLIVER_MASK))
    # no hairs of the ground: what is a pixel wide hangs on nothing
    opened = cv2.morphologyEx(((labels == garment) | new).view(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).view(np.bool_)
    rows, columns = np.nonzero(new & opened)
    rows, columns = rows + box[0].start, columns + box[1].start
    moved = sheet.probabilities[Label.BACKGROUND, rows, columns]
    kept = np.minimum(moved, 0.3)
    sheet.probabilities[garment, rows, columns] += moved - kept
    sheet.probabilities[Label.BACKGROUND, rows, columns] = kept
    sheet.labels[rows, columns] = garment
