"""Where lower garments come to lie on a body: trousers and shorts leg by leg, skirts as two halves.

Torch over a batch, fixed shapes, nothing read back. Lengths written as plain numbers are in units of the body
(`Body.unit_px`) unless said; s is the scale from garment px to photo px.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.drape.cut_lower import LowerMeasures
from models.drape.frame import Frame, Placement, both_sides, row_at, sample, smooth, unit_vector
from models.drape.grids import CROTCH_ROW, SLEEVE_ROWS, SleeveCurves
from models.person.body import WAIST_COUNT, WAIST_TO
from models.person.limbs import LIMB_COUNT

HIPS_BELOW = 0.10
"""The hips' width is taken this far below the hip joints, in trunk lengths."""
WAIST_ABOVE = (0.04, 0.45)
"""A waistband lies this far above the hip joints, in trunk lengths."""
WAIST_HIDDEN, WAIST_UNDER = 0.13, 0.16
"""A waist line lower than the first (trunk lengths above the hips) is the hem of a top that hides the band, which then lies at
the second."""
WAIST_USUAL = 0.385
"""Where no waist line is seen: the height of the natural waist, at which the bodice of a worn dress is cut off, and a little more."""
WAIST_LIFT = 0.012
"""The band's edge lies this much above the old one's, so that nothing of that shows."""
UNDER_TOP = 0.9
"""A waistband under a top is so much narrower than what shows of the worn one below the top's hem, or else than the top."""
HEM_CURVE = 0.10
"""Hems are curved: at the sides a top may end this much (trunk lengths) higher than in the middle; only above is all of it hidden."""
BAND_EASE = 1.015
"""The band stands off the body by this factor."""
CROTCH_BELOW = (0.15, 0.36)
"""The crotch lies this far below the hip joints, in trunk lengths."""
CROTCH_USUAL = 0.24
CROTCH_TRUST = 0.5
"""How much of the crotch's height is the garment's own; the rest is the usual one's, where a body ends."""
FULL_FROM, FULL_LENGTH = 0.80, (0.97, 1.05)
"""Trousers that reach this share of the leg are full length: they end between those shares of the way to the ankle joint.
Pictures show trousers laid flat (wide, so they look short) or on a form; what is nearly long is long."""
LEG_TAPER = 0.90
"""Legs look narrower worn than laid flat, from the thigh down."""
LEG_EASE = 1.04
OUTLINE_WITHIN = ((0.80, 1.25), (0.72, 1.30))
"""A leg's outer and inner edge are put on the silhouette where that is within these factors of where they would be."""
CROTCH_SHARE = 0.18
"""Over this share of the legs their inner edges come from the crotch."""
SIDE_EASE = 1.05
"""The hips of trousers stand off the worn outline by at most this factor."""
SKIRT_BODY = 1.02
"""A skirt is at least this much wider than the body under it."""
SKIRT_LONGEST = 1.02
"""A skirt ends at most this share of the way from waist to ankles."""


def place_lower(frame: Frame, measures: LowerMeasures) -> Placement:
    """Finds the strips' target curves; all of one batch size."""
    waist, hidden = _waist_level(frame)
    top, half = _waistband(frame, waist, hidden)
    scale = _scale(frame, measures, half.sum(1))
    legs_outer, legs_inner = _legs(frame, measures, scale, waist, top)
    skirt_outer, skirt_inner = _skirt(frame, measures, scale, waist, top)
    split = (measures.split > 0.5)[:, None, None, None]
    curves = SleeveCurves(torch.where(split, legs_outer, skirt_outer), torch.where(split, legs_inner, skirt_inner))
    return Placement(
        torso=None,
        sleeves=curves,
        scale=scale,
        tucked=torch.zeros_like(scale),
        hem_kept=torch.zeros_like(scale),
        sleeve_end=torch.zeros_like(scale)[:, None].expand(-1, 2),
        left_on_top=frame.leg_front[:, 0],
        stripped=torch.ones_like(scale),
        dress=torch.zeros_like(scale),
        split=measures.split,
    )


def _waist_level(frame: Frame) -> tuple[Tensor, Tensor]:
    """(B,) px below the shoulder line where the band lies at the axis, and (B,) 1 where a top hides it."""
    known = frame.waist_known > 0.5
    above = (frame.trunk - frame.waist) / frame.trunk
    hidden = known & (above < WAIST_HIDDEN)
    level = torch.where(known, above.clamp(*WAIST_ABOVE), torch.full_like(above, WAIST_USUAL))
    level = torch.where(hidden, torch.full_like(above, WAIST_UNDER), level)
    return frame.trunk * (1 - level), hidden.to(above.dtype)


def _waistband(frame: Frame, waist: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """The band's corners and middle, (B, 3, 2) left, middle, right, and its half widths (B, 2) px."""
    _, _, outline = row_at(frame, waist[:, None, None].expand(-1, 2, 1))
    half = outline[..., 0] * BAND_EASE
    half = torch.where((hidden > 0.5)[:, None], _under_top(frame, half), half)
    # the band follows the seen line's slant and curve
    lateral = torch.stack([-half[:, 0], torch.zeros_like(waist), half[:, 1]], 1) / frame.unit[:, None]
    at = (lateral / WAIST_TO + 1) / 2 * (WAIST_COUNT - 1)
    seen = sample(frame.waist_line, at) - frame.waist[:, None]
    follows = (frame.waist_known * (1 - hidden))[:, None]
    level = waist[:, None] + (seen - WAIST_LIFT * frame.unit[:, None]) * follows
    middle, across, _ = row_at(frame, level[:, None].expand(-1, 2, -1))
    right = across[:, 1]
    return middle[:, 1] + right * (lateral * frame.unit[:, None])[..., None], half


def _beneath_top(frame: Frame, distance: Tensor, half: Tensor) -> Tensor:
    """`half` widths (B, 2, R) px at `distance` (B, 2, R) px below the shoulder line; those that a worn top hides are narrower."""
    # the hem's own curve: what shows below a shirt tail's side is as wide as it is seen
    lateral = half * both_sides(half)[None, :, None] / frame.unit[:, None, None]
    hem = sample(frame.band_line[:, None].expand(-1, 2, -1), (lateral / WAIST_TO + 1) / 2 * (WAIST_COUNT - 1))
    above = (torch.minimum(hem, frame.waist[:, None, None]) - distance) / frame.trunk[:, None, None]
    hides = (above > 0) & (frame.waist_known > 0.5)[:, None, None]
    share = (above / HEM_CURVE).clamp(0, 1)
    return torch.where(hides, _under_top(frame, half, 1 - (1 - UNDER_TOP) * share), half)


def _under_top(frame: Frame, half: Tensor, share: Tensor | float = UNDER_TOP) -> Tensor:
    """Half widths (B, 2, ...) px where a top hangs over the garment: `share` of what shows of the old one below it."""
    band = frame.band.reshape(*frame.band.shape, *[1] * (half.dim() - 2))
    return share * torch.where(band > 0, torch.minimum(half, band), half)


def _scale(frame: Frame, measures: LowerMeasures, band: Tensor) -> Tensor:
    """(B,) photo px a garment px: trousers by the hips, skirts by the waistband."""
    hips = row_at(frame, (frame.trunk * (1 + HIPS_BELOW))[:, None, None].expand(-1, 2, 1))[2][..., 0].sum(1)
    return torch.where(measures.split > 0.5, hips / measures.hips, band / measures.waist)


def _rows(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Distances (B, 2, count) px below the shoulder line, from `start` (B,) to `end` (B,)."""
    share = torch.linspace(0, 1, count, device=start.device)
    return (start[:, None] + (end - start)[:, None] * share)[:, None].expand(-1, 2, -1)


def _legs(frame: Frame, measures: LowerMeasures, scale: Tensor, waist: Tensor, top: Tensor) -> tuple[Tensor, Tensor]:
    """Outer and inner edges (B, 2, rows, 2) of trousers."""
    hip, knee, ankle = frame.leg_joints[:, :, 0], frame.leg_joints[:, :, 1], frame.leg_joints[:, :, 2]
    down = unit_vector(frame.hip_middle - frame.middle)[0]
    own = measures.rise * scale - (frame.trunk - waist)
    drop = (own * CROTCH_TRUST + CROTCH_USUAL * frame.trunk * (1 - CROTCH_TRUST)).clamp_min(0)
    drop = torch.minimum(torch.maximum(drop, CROTCH_BELOW[0] * frame.trunk), CROTCH_BELOW[1] * frame.trunk)
    crotch_level = frame.trunk + drop
    # the crotch lies between the thighs, at its height on each
    fall = ((knee - hip) * down[:, None]).sum(-1).clamp_min(1e-3)
    share = (((drop[:, None] - ((hip - frame.hip_middle[:, None]) * down[:, None]).sum(-1)) / fall).clamp(0, 0.6))[..., None]
    crotch = (hip + (knee - hip) * share).mean(1)
    # hips: from the band to the crotch's height
    distance = _rows(waist, crotch_level, CROTCH_ROW + 1)
    middle, across, outline = row_at(frame, distance)
    flat = measures.half[:, :, : CROTCH_ROW + 1].mean(1, keepdim=True) * scale[:, None, None]
    half = torch.minimum(torch.maximum(flat, outline), SIDE_EASE * outline)
    half = _beneath_top(frame, distance, half)
    side = middle + across * half[..., None]
    corner = torch.stack([top[:, 0], top[:, 2]], 1)
    blend = (1 - torch.arange(CROTCH_ROW + 1, device=scale.device) / 2).clamp(0, 1)[None, None, :, None]
    side = side + (corner[:, :, None] - side[:, :, :1]) * blend
    t = torch.linspace(0, 1, CROTCH_ROW + 1, device=scale.device)[None, :, None]
    centre = (top[:, 1:2] * (1 - t) + crotch[:, None] * t)[:, None].expand(-1, 2, -1, -1)
    # legs: from the middle of the thigh's top over the knee to the ankle
    start = (side[:, :, -1] + crotch[:, None]) / 2
    along1, length1 = unit_vector(knee - start)
    along2, length2 = unit_vector(ankle - knee)
    whole = length1 + length2
    reach = measures.leg[:, None] * scale[:, None] / whole
    reach = torch.where((reach.mean(1, keepdim=True) > FULL_FROM), reach.mean(1, keepdim=True).clamp(*FULL_LENGTH), reach)
    t = torch.linspace(0, 1, SLEEVE_ROWS - CROTCH_ROW + 1, device=scale.device)
    gone = reach[..., None] * whole[..., None] * t
    outward = torch.stack([-across[:, 1, -1], across[:, 1, -1]], 1)
    normal1 = _normal(along1, outward)
    normal2 = _normal(along2, outward)
    bend = ((gone - length1[..., None] + 0.14 * whole[..., None]) / (0.28 * whole[..., None])).clamp(0, 1)[..., None]
    normal = unit_vector(normal1[:, :, None] * (1 - bend) + normal2[:, :, None] * bend)[0]
    upper = start[:, :, None] + along1[:, :, None] * gone[..., None]
    lower = knee[:, :, None] + along2[:, :, None] * (gone - length1[..., None])[..., None]
    bone = torch.where((gone < length1[..., None])[..., None], upper, lower)
    place = torch.where(
        gone < length1[..., None],
        _onto(start, hip, knee, gone, along1),
        1 + (gone - length1[..., None]) / length2[..., None],
    ).clamp(0, 2)
    at = place / 2 * (LIMB_COUNT - 1)
    bare = sample(frame.leg_radius, at) * LEG_EASE
    taper = 1 - (1 - LEG_TAPER) * (t / 0.3).clamp(0, 1)
    flat = measures.half[:, :, CROTCH_ROW:] * scale[:, None, None] / 2 * taper
    half_leg = torch.maximum(flat, bare)
    edges = []
    for sign, edge, within in ((1, 0, OUTLINE_WITHIN[0]), (-1, 1, OUTLINE_WITHIN[1])):
        seen = sample(frame.leg_outline[:, :, edge], at)
        # the silhouette is measured from the joints' bones, the strip's middle starts elsewhere at the thigh's top
        bone_at = _bone_points(frame.leg_joints, place)
        seen = seen - sign * ((bone - bone_at) * normal).sum(-1)
        ratio = seen / half_leg
        held = (ratio > within[0]) & (ratio < within[1]) & (seen > 0)
        edges.append(bone + sign * normal * torch.where(held, seen, half_leg)[..., None])
    outer, inner = edges
    q = (t / CROTCH_SHARE).clamp(0, 1)
    q = (q * q * (3 - 2 * q))[None, None, :, None]
    # near the crotch the inner edges hang straight down from it
    plumb = crotch[:, None, None] + ((inner - crotch[:, None, None]) * down[:, None, None]).sum(-1, keepdim=True) * down[:, None, None]
    inner = plumb + (inner - plumb) * q
    outer = torch.cat([side[:, :, -1:], outer[:, :, 1:]], 2)
    inner = torch.cat([crotch[:, None, None].expand(-1, 2, -1, -1), inner[:, :, 1:]], 2)
    outer_edge = smooth(torch.cat([side[:, :, :-1], outer], 2))
    inner_edge = torch.cat([centre[:, :, :-1], inner[:, :, :1], smooth(inner)[:, :, 1:]], 2)
    return outer_edge, inner_edge


def _normal(along: Tensor, outward: Tensor) -> Tensor:
    """(B, 2, 2) unit normals of the directions `along` that point `outward`."""
    normal = torch.stack([along[..., 1], -along[..., 0]], -1)
    return torch.where((normal * outward).sum(-1, keepdim=True) >= 0, normal, -normal)


def _onto(start: Tensor, hip: Tensor, knee: Tensor, gone: Tensor, along: Tensor) -> Tensor:
    """Place 0..1 on the thigh's bone (B, 2, N) of points `gone` px from `start` towards the knee."""
    bone, length = unit_vector(knee - hip)
    first = ((start - hip) * bone).sum(-1)
    return (first[..., None] + gone * (along * bone).sum(-1)[..., None]) / length[..., None]


def _bone_points(joints: Tensor, place: Tensor) -> Tensor:
    """Points (B, 2, N, 2) on the bones at `place` (B, 2, N) 0..2."""
    hip, knee, ankle = (joints[:, :, i, None] for i in range(3))
    share = place[..., None]
    return torch.where(share < 1, hip + (knee - hip) * share, knee + (ankle - knee) * (share - 1))


def _skirt(frame: Frame, measures: LowerMeasures, scale: Tensor, waist: Tensor, top: Tensor) -> tuple[Tensor, Tensor]:
    """Outer edges and centre line (B, 2, rows, 2) of a skirt's halves."""
    ankles = frame.trunk + (frame.leg_joints[:, :, 2] - frame.hip_middle[:, None]).norm(dim=-1).amax(1)
    length = torch.minimum(measures.length * scale, SKIRT_LONGEST * (ankles - waist))
    distance = _rows(waist, waist + length, SLEEVE_ROWS + 1)
    middle, across, outline = row_at(frame, distance)
    flat = measures.half.mean(1, keepdim=True) * scale[:, None, None]
    half = torch.maximum(flat, SKIRT_BODY * outline)
    half = _beneath_top(frame, distance, half)
    side = middle + across * half[..., None]
    corner = torch.stack([top[:, 0], top[:, 2]], 1)
    blend = (1 - torch.arange(SLEEVE_ROWS + 1, device=scale.device) / 3).clamp(0, 1)[None, None, :, None]
    side = smooth(side + (corner[:, :, None] - side[:, :, :1]) * blend)
    centre = middle[:, :1] + (top[:, 1] - middle[:, 0, 0])[:, None, None] * blend
    return side, centre.expand(-1, 2, -1, -1)
