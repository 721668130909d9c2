"""The shape of a neckline: the superellipse along which the edge of a garment's front runs.

Seen from the middle of the neck, |x / across|^power + (y / depth)^power = 1 is a V at power 1, half an ellipse at 2 and
squarer above: crew, scoop, boat and V necks and the opening of a collar are all near one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from models.garment.maskops import product
from models.types import BoolArray, FloatArray

ANGLES: Final = 64
RADII: Final = 150
RADIUS_RANGE: Final = (0.06, 1.5)
"""Angles below the horizontal, and radii in neck widths, at which a neck is sampled."""
ACROSS: Final = (0.28, 0.32, 0.36, 0.40, 0.44, 0.48, 0.52, 0.56, 0.60, 0.64)
USUAL_ACROSS: Final = 0.39
DEEPEST: Final = 1.4
DEPTH_STEP: Final = 0.012
POWERS: Final = (0.85, 1.0, 1.2, 1.45, 1.75, 2.1, 2.6)
"""Shapes tried: half width (from the second on, but where the shoulder line is flat) and depth in neck widths, and power."""
KEPT: Final = 400
"""So many shapes, those along the strongest edges, are looked at closely."""
EDGE_WEAK: Final = 1.5
LABEL_ANGLE: Final = 1.25
LABEL_WEIGHT: Final = 0.5
"""Radians from the horizontal beyond which labels and plackets hang, and what edges count there."""
LEAST_COVER: Final = 0.66
"""Share of the angles along which a neckline shows an edge."""
LEAST_COHERENCE: Final = 0.58
"""Under it the change across the edge is not one change: a print."""
ONE_SIDED: Final = 0.9
"""What an even colour on the front side counts against an even change across the edge."""
LEAST_SCORE: Final = 1.2
UNLIKE: Final = (10.0, 15.0)
"""8-bit Lab units by which left and right differ along most curves where a print runs all over: no edge can be trusted. In a
collar that stands less is needed: mostly nothing of its inside shows, under a plain outline mostly something does."""
EVEN_FROM: Final = 0.5
EVEN_TO: Final = 0.85
EVEN_WEIGHT: Final = 0.3
"""Coherence between which so much more of a shape's score counts: an edge past labels and stripes of the inside is less even."""
AS_GOOD: Final = 0.965
DEEPER: Final = 0.08
"""Of shapes of nearly the best score and about its width the deepest is taken, up to so many neck widths deeper: what lies above
the front's edge, labels, stripes and the back's rib, has edges of its own."""
USUAL_DEPTH: Final = (0.9, 1.35)
"""Depths in neck widths up to which shapes count fully, and at which they count for a third."""
BACK_CLEARANCE: Final = 0.13
COLLAR_CLEARANCE: Final = 0.05
"""Neck widths that the front's edge lies at least under the top of the back, on the axis: there ends the back's own rib. In a
collar that stands less: a turtle neck shows little of its inside."""
V_DEPTH: Final = 0.4
V_POWER: Final = 1.4
"""Shallower necklines than this are round."""
LEAF_POWER: Final = 1.45
LEAF_DEPTH: Final = 0.3
LEAF_SHARE: Final = 0.45
"""Between the leaves of a shirt's collar the neckline is a V at least so deep; it is taken from this share of the best score."""
INNER_ACROSS: Final = 0.49
RIB_FROM: Final = 0.06
"""The front's edge meets the neck points; an edge wider than that by so much is the rib's seam, and the rib is as thick."""
RIVAL_SHARE: Final = 0.55
"""Score of a rib's upper edge over that of its seam, at least."""
OWN_SIDE: Final = 0.05
"""Neck widths by which each side may stray from the common shape."""


@dataclass(frozen=True, slots=True)
class Edges:
    """One side of a neck, sampled at `ANGLES` times `RADII` places; "outwards" is away from the neck's middle."""

    change: FloatArray
    """(angles, radii, 3) change of Lab outwards."""
    beyond: FloatArray
    """(angles, radii, 3) Lab just outside."""
    strength: FloatArray
    """(angles, radii) how strong an edge of the front that is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Lengths in neck widths."""

    across: float
    depth: float
    power: float
    score: float
    room: float = OWN_SIDE
    """How far each side may stray from it; 0 where it was inferred, not seen."""
    even: float = 0.0
    """0..1: how alike the change across it is all along."""

    @property
    def worth(self) -> float:
        return self.score * (1 - EVEN_WEIGHT * (1 - float(np.clip((self.even - EVEN_FROM) / (EVEN_TO - EVEN_FROM), 0, 1))))

    def radius(self, theta: FloatArray) -> FloatArray:
        """(n,) neck widths, at `theta` (n,) radians below the horizontal."""
        c, s = np.cos(theta) / self.across, np.sin(theta) / self.depth
        return np.asarray((c**self.power + s**self.power) ** (-1 / self.power), np.float32)


def angles() -> FloatArray:
    """(ANGLES,) radians below the horizontal."""
    return np.linspace(0.0, np.pi / 2 - 1e-4, ANGLES, dtype=np.float32)


def radii() -> FloatArray:
    """(RADII,) neck widths."""
    return np.linspace(RADIUS_RANGE[0], RADIUS_RANGE[1], RADII, dtype=np.float32)


def common_strength(sides: tuple[Edges, Edges]) -> FloatArray:
    """(angles, radii) strength of both sides together: what only one side shows counts less than half."""
    one, other = sides[0].strength, sides[1].strength
    return np.asarray((one + other) / 2 - np.abs(one - other) / 4, np.float32)


def find_shape(sides: tuple[Edges, Edges], dip: float, *, standing: bool, flat: bool) -> Shape | None:
    """The shape of the front's edge.

    `dip` is how far, in neck widths, the top of the garment lies under the neck points on the axis. `standing`: the
    neck points are the corners of a collar. `flat`: the shoulder line does not tell where the neck begins.
    """
    table = _tried(dip + (COLLAR_CLEARANCE if standing else BACK_CLEARANCE), 0.0 if flat else USUAL_ACROSS)
    shapes = _scored(sides, table, UNLIKE[0 if standing else 1])
    if standing:
        best = max(shapes, key=lambda s: s.score, default=None)
        leaf = max((s for s in shapes if s.power <= LEAF_POWER and s.depth > LEAF_DEPTH), key=lambda s: s.score, default=None)
        return leaf if best and leaf and leaf.score > LEAF_SHARE * best.score else best
    shapes = [s for s in shapes if s.power >= (1.0 if s.depth > V_DEPTH else V_POWER)]
    best = max(shapes, key=lambda s: s.score, default=None)
    if best is None or best.across - INNER_ACROSS >= RIB_FROM:
        return best and _upper_edge(best, shapes, dip)
    shapes = [s for s in shapes if s.across - INNER_ACROSS < RIB_FROM]
    best = max(shapes, key=lambda s: s.worth)
    alike = [s for s in shapes if s.worth > AS_GOOD * best.worth and abs(s.across - best.across) < 0.05]
    return max((s for s in alike if 0 <= s.depth - best.depth < DEEPER), key=lambda s: s.depth)


def _upper_edge(best: Shape, shapes: list[Shape], dip: float) -> Shape:
    """`best`, or the edge above it when it meets the shoulders outside the neck points: then it is the seam of a rib."""
    rib = best.across - INNER_ACROSS
    if rib < RIB_FROM:
        return best

    def parallel(s: Shape) -> bool:
        return s.across < best.across - 0.7 * rib and 0.4 * rib < best.depth - s.depth < 2.5 * rib and abs(s.power - best.power) < 0.5

    upper = max(filter(parallel, shapes), key=lambda s: s.score, default=None)
    if upper is not None and upper.score > RIVAL_SHARE * best.score:
        return replace(upper, room=0.45 * rib)
    # a V's edges run parallel at a distance that grows with its depth
    as_v, as_u = best.depth * INNER_ACROSS / best.across, best.depth - rib
    roundness = float(np.clip(best.power - 1, 0, 1))
    depth = max(as_v + roundness * (as_u - as_v), dip + 0.5 * BACK_CLEARANCE)
    return Shape(INNER_ACROSS, depth, best.power, best.score, 0.0)


@dataclass(frozen=True, slots=True)
class _Table:
    across: FloatArray
    depth: FloatArray
    power: FloatArray
    """(shapes,) each."""
    index: npt.NDArray[np.intp]
    """(shapes, angles) place in maps of (angles, radii), one row of radii after another."""


@lru_cache(maxsize=1)
def _table() -> _Table:
    """All shapes tried; the same for every garment."""
    grid = np.meshgrid(ACROSS, np.arange(COLLAR_CLEARANCE, DEEPEST, DEPTH_STEP), POWERS, indexing="ij")
    across, depth, power = (g.ravel().astype(np.float32) for g in grid)
    theta, p = angles(), power[:, None]
    c, s = np.cos(theta)[None] / across[:, None], np.sin(theta)[None] / depth[:, None]
    r = (c**p + s**p) ** (-1 / p)
    step = (RADIUS_RANGE[1] - RADIUS_RANGE[0]) / (RADII - 1)
    index = np.clip(np.round((r - RADIUS_RANGE[0]) / step), 1, RADII - 2).astype(np.intp)
    return _Table(across, depth, power, index + RADII * np.arange(ANGLES))


@lru_cache(maxsize=2)
def _tried(least_depth: float, over_across: float) -> _Table:
    """Those at least so deep and wider than that; kept, since a neck is looked at from several places."""
    table = _table()
    tried = (table.depth >= least_depth) & (table.across > over_across)
    return _Table(table.across[tried], table.depth[tried], table.power[tried], table.index[tried])


def _scored(sides: tuple[Edges, Edges], table: _Table, unlike: float) -> list[Shape]:
    """The shapes of `table` with an edge of the front along them."""
    tried = len(table.index)
    common = common_strength(sides)
    # a curve need not be met exactly
    wide = np.maximum(common, np.maximum(np.roll(common, 1, 1), np.roll(common, -1, 1)))
    along = wide.ravel().take(table.index)
    weight = np.where(angles() > LABEL_ANGLE, LABEL_WEIGHT, 1.0).astype(np.float32)
    cover = product((along > EDGE_WEAK * weight).astype(np.float32), weight) / weight.sum()
    strong = along.mean(1) * np.interp(table.depth, USUAL_DEPTH, [1.0, 0.33]) * (cover > LEAST_COVER)
    if not tried or _unlike(sides, table.index[:: max(1, tried // KEPT)]) > unlike:
        return []
    best = np.argsort(-strong)[:KEPT]
    best = best[strong[best] > LEAST_SCORE]
    if not best.size:
        return []
    index = table.index[best]
    change = _along((sides[0].change + sides[1].change) / 2, index)
    beyond = _along((sides[0].beyond + sides[1].beyond) / 2, index)
    size = _length(_median(change))
    coherence = size / (_spread(change) + size + 1)
    # the front is of one colour along its edge even where the inside is not: a collar before a striped back
    changing = _length(change).mean(1)
    coherence = np.maximum(coherence, ONE_SIDED * changing / (_spread(beyond) + changing + 1))
    score = strong[best] * np.clip(2 * coherence - 0.2, 0.1, 1.0)
    good: BoolArray = (score >= LEAST_SCORE) & (coherence > LEAST_COHERENCE)
    where = best[good]
    values = zip(table.across[where], table.depth[where], table.power[where], score[good], coherence[good], strict=True)
    return [Shape(float(a), float(d), float(p), float(v), even=float(e)) for a, d, p, v, e in values]


def _unlike(sides: tuple[Edges, Edges], index: npt.NDArray[np.intp]) -> float:
    """How differently, 8-bit Lab, left and right change along most of the curves `index` (curves, angles)."""
    return float(np.median(_median(_length(_along(sides[0].change - sides[1].change, index)))))


def _along(values: FloatArray, index: npt.NDArray[np.intp]) -> FloatArray:
    """(3, curves, angles) of `values` (angles, radii, 3) along the curves `index` (curves, angles)."""
    return np.stack([values[..., k].ravel().take(index) for k in range(3)])


def _length(planes: FloatArray) -> FloatArray:
    """(3, ...) -> (...)."""
    length: FloatArray = np.sqrt(planes[0] ** 2 + planes[1] ** 2 + planes[2] ** 2)
    return length


def _median(values: FloatArray) -> FloatArray:
    """(...) median of `values` (..., angles); sorting short rows takes a third of the time of NumPy's selection."""
    ordered, middle = np.sort(values, -1), values.shape[-1] // 2
    return np.asarray((ordered[..., middle - 1] + ordered[..., middle]) / 2, np.float32)


def _spread(values: FloatArray) -> FloatArray:
    """(curves,) median distance of `values` (3, curves, angles) from their median along each curve."""
    return _median(_length(values - _median(values)[..., None]))
