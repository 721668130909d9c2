"""Where a garment's outline comes to lie on a body: the curves that span the grids.

Torch over a batch, fixed shapes, nothing read back. Lengths written as plain numbers are in units of the body
(`Body.unit_px`: the distance of the shoulder joints); s is the scale from garment px to photo px.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.drape.cut import Measures
from models.drape.frame import Frame, Placement, both_sides, clip, piecewise, row_at, sample, smooth, unit_vector
from models.drape.grids import BODY_ROWS, RIDGE_COLUMNS, SLEEVE_INSET, SLEEVE_ROWS, WAIST_ROW, YOKE_ROWS, SleeveCurves, TorsoCurves
from models.person.body import BARE_COUNT, BARE_FROM, BARE_TO, HIGH_BAND, TOP_COUNT, TOP_FROM, TOP_TO, WAIST_COUNT, WAIST_TO
from models.person.limbs import LIMB_COUNT
from models.types import Tuck

SCALE_SLEEVED, SCALE_SLEEVELESS, SCALE_STRAPS = 0.88, 1.02, 0.92
"""Armpit width of the picture's garment on the body, in units. Packshots show sleeved garments wider at the armpit
(cloth of the sleeve bunches there) than sleeveless ones."""
LENGTH_USUAL = 1.20
"""A top of usual length reaches this many trunk lengths from the neck points to the hem."""
LENGTH_TRUST, LENGTH_LIMIT = 0.65, 0.22
"""How much the length says of the scale (in logarithms, against the armpit width), and the most it may change it:
a crop top or tunic is short or long, not small or large."""
NECK_NARROWER = 0.82
"""Necklines lie further in on a neck than in a packshot, where nothing fills them."""
NECK_LIFT, NECK_LIFT_MOST = 0.26, 0.08
"""A worn neckline hangs over the collarbones, which seen from the front are higher than the shoulders' line: its lowest point
rises by this share of its depth, at most so much."""
NECK_HALF = (0.20, 0.50)
NECK_ABOVE = 0.02
"""The collar stands this much above the shoulder."""
RIDGE_ABOVE, RIDGE_LIMIT = 0.012, 0.08
"""Cloth lies this much above the shoulder, and follows it at most this far from the straight line."""
NECK_HEIGHT = (0.12, 0.34)
ARMPIT_DROP = (0.30, 0.66)
"""Armpits lie this far below the shoulder tips."""
ARMPIT_HALF, ARMPIT_HALF_SLEEVELESS, ARMPIT_GIVE = 0.42, 0.43, 0.07
"""Half the distance of the armpits, and how far it may give way to the outline as worn."""
ARMHOLE_NEAR = (0.07, 0.12)
"""The middle of a sleeveless top's armhole that would lie within the first (units) of the worn one's is moved there, and less and less up
to the second: from there on the garment has another cut."""
DROP_SLEEVELESS, DROP_STRAPS = (0.30, 0.42), (0.30, 0.36)
SIDE_HALF = (0.42, 0.80)
EASE = 1.10
"""A garment's side stands off the worn outline by at most this factor."""
HELD_TO, OVER_OUTLINE = (1.03, 1.10), 1.012
"""... but garments up to the first factor wider than the outline lie on it (times the last), from the second on they stand off."""
MIDDLE_SLOPE = (0.80, 1.0)
SLEEVE_COVER = ((0.35, 0.68, 0.97, 1.50), (0.0, 0.235, 0.46, 1.0))
"""Straight length of a sleeve in units -> share of the arm that it covers: some is spent on the shoulder above the
joint, and a hanging sleeve is slacker than a flat one. The middle two were measured on sleeves seen both ways; from the
last on it is a long sleeve and ends at the wrist."""
COVER_LEAST = 0.04
WRIST_MOST = 1.02
SLEEVE_SNAP = 0.10
"""A sleeve that ends within this share of the arm's length of the worn one ends where that one does."""
CAP_SLEEVE = (0.10, 0.25)
"""A sleeve whose inner edge is shorter than the first is a cap sleeve with a slanting cuff; from the second on it is not."""
CAP_SLANT = 0.12
CAP_STRETCH = 1.3
SNAP_FROM = 0.12
"""Sleeves that cover less of the arm than this are caps: they end where they end."""
ARM_EASE = 1.06
CUFF_EASE = (0.10, 1.4, 0.4)
"""Most a sleeve stands off the arm, and how that is shared by its outer and inner edge."""
FLAT_ROUND = 0.95
"""A sleeve on an arm is this much as wide as it is lying flat."""
FLAT_SLACK, FLAT_FADE = 0.10, 0.03
"""With all its slack on one side a sleeve reaches from the bone as far as its flat width less the arm's other half: what the
silhouette has more than the first, no sleeve of this width had; it is kept in full from the second less on."""
SLEEVE_TOP = 0.14
"""Half width of a sleeve at its top."""
SLEEVE_HEAD = 0.05
"""The sleeve's outer edge runs round the shoulder in a quarter ellipse that ends this far below the joint."""
OUTLINE_NEAR, OUTLINE_EASE = 0.18, 0.04
"""A sleeve's edge keeps to the silhouette when that is within the first of it, and stands off it by at most the second."""
OUTLINE_FREE = 0.3
"""... and by this much more (units) for each place (0..2) on the arm past the worn sleeve's end."""
GOES_ON, OUTLINE_LEFT = (0.1, 0.3), 0.4
"""A sleeve that ends so much (places on the arm) past the worn one leaves the worn one's silhouette over the second before its end."""
CORNER_STEP, CORNER_NEAR, CORNER_FALL = 2, (0.25, 0.08), 0.04
"""The outer corner of a worn cuff is where the silhouette falls by the last (units) over so many samples to either side, so near
before and past the place where the sleeve ends on the bone."""
CORNER_BEFORE = 0.05
"""Its width is measured this much before it."""
CORNER_OUT, CORNER_IN = 0.16, 0.35
"""A sleeve that ends with the worn one has the same slant: at most so much (units) at its outer corner, this share at its inner."""
ELBOW_OUT = 0.3
"""A sleeve stands out at the outside of an elbow that is bent by a right angle by this share more."""
ARM_FULL_PAST = 0.15
"""From so much (places on the arm) past the worn sleeve's end the silhouette is the bare arm's for sure."""
TUCK_FROM = -0.32
"""A top that would end less than this below the waist line (negative: above it) is drawn down to it when tucked."""
BAND_LAP = 0.03
"""One that hangs out and would end so little above the waistband of what is worn below it is drawn down to this far below that."""
HEM_SNAP = 0.48
"""A hem within this of the worn top's hem is put there."""
WORN_OUT = ((0.10, 0.90), (0.22, 1.12))
"""The worn top hangs out when its hem is lower than the first number (in trunk lengths above the hips) and wider
against the lower garment than the second."""
DRESS_WAIST = (0.28, 0.48)
"""The waist of a dress lies this far above the hips (trunk lengths): where it would fall, within these limits."""
DRESS_USUAL = ((0.0, 0.45, 0.62, 1.0, 1.15), (0.50, 0.47, 0.44, 0.58, 0.62))
"""Usual half widths of a clothed trunk (units) at shares of the trunk below the shoulder line: what a dress may narrow a wide
old top to."""
DRESS_EASE, SKIRT_EASE = 1.10, 1.03
"""A dress stands off the usual trunk by at most the first factor where the old outline is wider; a skirt off the body by at
least the second."""
DRESS_HALF = (0.34, 1.7)
ANKLE_MOST = 1.0
"""A dress or skirt is at most as long as to the ankles."""
BAND_PUFF, BAND_SLOPE = 0.03, 0.5
"""A tucked top stands off the waistband by at most so much (units), and this much more for each px above it."""
BELOW_WAIST = 0.10
"""A tucked top's grid ends this far below the waist line; what is below the line is cut off."""


def place(frame: Frame, measures: Measures, tuck: Tensor) -> Placement:
    """Finds the target curves.

    tuck: (B,) 0 auto, 1 in, 2 out (see `tuck_code`). All of one batch size.
    """
    unit = frame.unit
    scale = _scale(frame, measures)
    out = both_sides(unit)[None, :, None] * frame.right[:, None]  # (B, 2, 2) outward
    up = frame.over[:, None]
    neck, neck_x = _neck(frame, measures, scale, out, up)
    shoulder = _shoulder(frame, measures, scale, out, up, neck_x)
    armpit = _armpit(frame, measures, scale, up, shoulder)
    side, middle, tucked, hem_kept = _side(frame, measures, scale, neck, armpit, tuck)
    collar_in = measures.collar * scale[:, None, None]
    collar = out * collar_in[..., :1] * 0.6 + up * collar_in[..., 1:] * 0.8
    lift = frame.over * torch.minimum(NECK_LIFT * measures.neck_depth * scale, NECK_LIFT_MOST * unit)[:, None]
    # the yoke's rows go from the shoulder's to the armpit's slope
    torso = TorsoCurves(
        neck=neck,
        shoulder=shoulder,
        ridge=_ridge(frame, neck, shoulder, out, up),
        armpit=armpit,
        armhole=_armhole(frame, measures, scale, out, up, (shoulder + armpit) / 2),
        side=side,
        collar=collar,
        lift=lift,
        middle=middle,
    )
    sleeves, sleeve_end = _sleeves(frame, measures, scale, out, shoulder, armpit)
    return Placement(
        torso=torso,
        sleeves=sleeves,
        scale=scale,
        tucked=tucked,
        hem_kept=hem_kept,
        sleeve_end=sleeve_end * measures.sleeved[:, None],
        left_on_top=torch.zeros_like(unit),
        stripped=measures.sleeved,
        dress=measures.dress,
        split=torch.zeros_like(unit),
    )


def _scale(frame: Frame, measures: Measures) -> Tensor:
    """(B,) photo px a garment px, from the armpit width and, within limits, from the length."""
    sleeved = measures.sleeved > 0.5
    width = torch.where(sleeved, SCALE_SLEEVED, torch.where(measures.straps > 0.5, SCALE_STRAPS, SCALE_SLEEVELESS))
    by_width = width * frame.unit / measures.armpit
    by_length = LENGTH_USUAL * frame.trunk / measures.full_length
    # dresses have no usual length
    turn = (by_length / by_width).log().clamp(-LENGTH_LIMIT, LENGTH_LIMIT) * (1 - measures.dress)
    return by_width * torch.exp(LENGTH_TRUST * turn)


def tuck_code(tuck: Tuck) -> float:
    return {Tuck.AUTO: 0.0, Tuck.IN: 1.0, Tuck.OUT: 2.0}[tuck]


def _top_height(frame: Frame, lateral: Tensor) -> Tensor:
    """Height (B, 2) of the shoulder at distances `lateral` (B, 2) px from the middle."""
    at = (lateral / frame.unit[:, None] - TOP_FROM) / (TOP_TO - TOP_FROM) * (TOP_COUNT - 1)
    return sample(frame.top, at[..., None])[..., 0]


def _neck(frame: Frame, measures: Measures, scale: Tensor, out: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    x = clip((NECK_NARROWER * measures.neck_half * scale)[:, None].expand(-1, 2), NECK_HALF, frame.unit)
    height = clip(_top_height(frame, x) + NECK_ABOVE * frame.unit[:, None], NECK_HEIGHT, frame.unit)
    return frame.middle[:, None] + out * x[..., None] + up * height[..., None], x


def _shoulder(frame: Frame, measures: Measures, scale: Tensor, out: Tensor, up: Tensor, neck_x: Tensor) -> Tensor:
    tip_x = ((frame.tip - frame.middle[:, None]) * out).sum(-1)
    least = neck_x + 0.04 * frame.unit[:, None]
    x = torch.minimum(torch.maximum((measures.shoulder_half * scale)[:, None], least), torch.maximum(tip_x, least))
    height = clip(_top_height(frame, x) + 0.01 * frame.unit[:, None], (0.06, 0.24), frame.unit)
    bare = frame.middle[:, None] + out * x[..., None] + up * height[..., None]
    return torch.where((measures.sleeved > 0.5)[:, None, None], frame.tip, bare)


def _ridge(frame: Frame, neck: Tensor, shoulder: Tensor, out: Tensor, up: Tensor) -> Tensor:
    """The shoulder's top between neck point and tip: follows the body, ends where the two are."""
    share = torch.linspace(0, 1, RIDGE_COLUMNS + 1, device=neck.device)[1:-1, None]
    chord = neck[:, :, None] * (1 - share) + shoulder[:, :, None] * share
    offset = chord - frame.middle[:, None, None]
    x, y = (offset * out[:, :, None]).sum(-1), (offset * up[:, :, None]).sum(-1)
    at = (x / frame.unit[:, None, None] - TOP_FROM) / (TOP_TO - TOP_FROM) * (TOP_COUNT - 1)
    body = sample(frame.top, at) + RIDGE_ABOVE * frame.unit[:, None, None]
    limit = RIDGE_LIMIT * frame.unit[:, None, None]
    return chord + up[:, :, None] * torch.minimum(torch.maximum(body - y, -limit), limit)[..., None]


def _armhole(frame: Frame, measures: Measures, scale: Tensor, out: Tensor, up: Tensor, chord: Tensor) -> Tensor:
    """(B, 2, 2) `chord`, the middle between shoulder tip and armpit, moved across so that a sleeveless armhole lies on the worn one."""
    unit = frame.unit[:, None]
    offset = chord - frame.middle[:, None]
    own = (offset * out).sum(-1) - measures.armhole * scale[:, None]
    at = ((offset * up).sum(-1) / unit - BARE_FROM) / (BARE_TO - BARE_FROM) * (BARE_COUNT - 1)
    off = sample(frame.armhole, at[..., None])[..., 0] - own
    seen = sample((frame.armhole >= 0).to(unit.dtype), at[..., None])[..., 0] > 0.99  # on both heights beside it
    bare = seen & (measures.sleeved < 0.5)[:, None] & (measures.straps < 0.5)[:, None]
    alike = ((ARMHOLE_NEAR[1] - off.abs() / unit) / (ARMHOLE_NEAR[1] - ARMHOLE_NEAR[0])).clamp(0, 1)
    return chord + out * (off * alike * bare)[..., None]


def _armpit(frame: Frame, measures: Measures, scale: Tensor, up: Tensor, shoulder: Tensor) -> Tensor:
    unit = frame.unit
    drop = measures.armpit_drop * scale[:, None]
    turned = (frame.shoulder_px / unit).clamp(max=1)  # a turned body's shoulder line is short
    tip_height = ((shoulder - frame.middle[:, None]) * up).sum(-1)
    sleeved = (measures.sleeved > 0.5)[:, None]
    straps = (measures.straps > 0.5)[:, None]
    bare_drop = torch.where(straps, clip(drop, DROP_STRAPS, unit), clip(drop, DROP_SLEEVELESS, unit))
    level = torch.where(sleeved, clip(drop, ARMPIT_DROP, unit), bare_drop) - tip_height
    middle, across, outline = (r[:, :, 0] for r in row_at(frame, level[..., None]))
    width = torch.where(sleeved, ARMPIT_HALF, ARMPIT_HALF_SLEEVELESS)[..., None] * unit[:, None, None] * turned[:, None, None]
    give = ARMPIT_GIVE * unit[:, None, None]
    half = torch.minimum(torch.maximum(outline[..., None], width - give), width + give)
    return middle + across * half


def _side(
    frame: Frame, measures: Measures, scale: Tensor, neck: Tensor, armpit: Tensor, tuck: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Side outlines (B, 2, rows, 2), the slope of every row at its middle, whether the garment is tucked, and whether its hem
    lies where the worn one's does."""
    unit = frame.unit
    down = unit_vector(frame.hip_middle - frame.middle)[0]
    level = ((armpit - frame.middle[:, None]) * down[:, None]).sum(-1)  # (B, 2) below the shoulder line
    neck_level = ((neck - frame.middle[:, None]) * down[:, None]).sum(-1).mean(1)
    own = neck_level + measures.full_length * scale
    dress = measures.dress > 0.5
    known = (frame.waist_known > 0.5) & ~dress
    above_hips = (frame.trunk - frame.waist) / frame.trunk
    worn_out = ((above_hips < WORN_OUT[0][0]) & (frame.hem_ratio > WORN_OUT[0][1])) | (
        (above_hips < WORN_OUT[1][0]) & (frame.hem_ratio > WORN_OUT[1][1])
    )
    wants_in = torch.where(tuck > 1.5, torch.zeros_like(known), (tuck > 0.5) | ~worn_out)
    # asked for, even a rather short top is drawn down into the waist band
    short_by = torch.where((tuck > 0.5) & (tuck < 1.5), torch.full_like(tuck, -HEM_SNAP), torch.full_like(tuck, TUCK_FROM))
    tucked = known & wants_in & (own > frame.waist + short_by * unit)
    snapped = known & ~wants_in & ((own - frame.waist).abs() < HEM_SNAP * unit) & (tuck < 1.5)
    # a shorter one that hangs out comes down to where a waistband may be
    band = (1 - HIGH_BAND) * frame.trunk + BAND_LAP * unit
    short = known & ~wants_in & ~snapped & (band < frame.waist) & (tuck < 1.5)
    own = torch.where(short & (own > band + TUCK_FROM * unit), torch.maximum(own, band), own)
    end = torch.where(tucked, torch.maximum(own, frame.waist + BELOW_WAIST * unit), torch.where(snapped, frame.waist, own))
    share = torch.linspace(0, 1, BODY_ROWS + 1, device=unit.device)
    ends = torch.where(snapped[:, None], _snapped_ends(frame, measures, scale), end[:, None].expand(-1, 2))
    distance = level[..., None] * (1 - share) + ends[..., None] * share  # (B, 2, rows)
    distance = torch.where(dress[:, None, None], _dress_rows(frame, measures, scale, level, neck_level), distance)
    # under a waist band the outline is the lower garment's: the garment keeps the waist's width there
    seen = torch.where(tucked[:, None, None], torch.minimum(distance, frame.waist[:, None, None]), distance)
    body = clip(row_at(frame, seen)[2], SIDE_HALF, unit)
    body = torch.where(tucked[:, None, None], _into_band(frame, distance, body), body)
    wanted = measures.side_half * scale[:, None, None]
    half = _held(wanted, body)
    half = torch.where(dress[:, None, None], _dress_half(frame, distance, wanted), half)
    middle_at, across, _ = row_at(frame, distance)
    side = middle_at + across * half[..., None]
    # the first row is the armpit itself
    blend = (1 - torch.arange(BODY_ROWS + 1, device=unit.device) / 3).clamp(0, 1)[None, None, :, None]
    side = side + (armpit[:, :, None] - side[:, :, :1]) * blend
    actual = (side[:, 1] - side[:, 0]).norm(dim=-1) / 2
    slope = (wanted.mean(1) / actual).clamp(*MIDDLE_SLOPE)
    yoke = slope[:, :1].expand(-1, YOKE_ROWS)
    return side, torch.cat([yoke, slope], 1), tucked.to(unit.dtype), (tucked | snapped).to(unit.dtype)


def _into_band(frame: Frame, distance: Tensor, body: Tensor) -> Tensor:
    """Half widths (B, 2, rows) px of a tucked top: near the waistband they come down to its width and a little more."""
    unit = frame.unit[:, None, None]
    over = (frame.waist[:, None, None] - distance).clamp_min(0)
    most = frame.band[..., None] + BAND_PUFF * unit + BAND_SLOPE * over
    return torch.where(frame.band[..., None] > 0, torch.minimum(body, most), body)


def _snapped_ends(frame: Frame, measures: Measures, scale: Tensor) -> Tensor:
    """Distances (B, 2) px below the shoulder line of the hem corners of a top whose hem lies on the old one's."""
    half = row_at(frame, frame.waist[:, None, None].expand(-1, 2, 1))[2][..., 0]
    lateral = half * both_sides(half) / frame.unit[:, None]
    ends = sample(frame.waist_line, (lateral / WAIST_TO + 1) / 2 * (WAIST_COUNT - 1))
    ends = torch.minimum(ends, frame.waist[:, None])
    # the middle of the hem covers the old one's
    middle = ends.mean(1) + measures.hem_drop * scale
    return ends + (frame.waist - middle).clamp_min(0)[:, None]


def _held(wanted: Tensor, body: Tensor) -> Tensor:
    """Half widths: on the worn outline where the garment's own are no wider or nearly so, then their own, within limits.

    Held a little over it: what stands over the silhouette by so little is trimmed to it when composing.
    """
    own = torch.minimum(torch.maximum(wanted, body), EASE * body)
    free = ((wanted / body - HELD_TO[0]) / (HELD_TO[1] - HELD_TO[0])).clamp(0, 1)
    held = OVER_OUTLINE * body
    return held + (torch.maximum(own, held) - held) * free


def _dress_rows(frame: Frame, measures: Measures, scale: Tensor, level: Tensor, neck_level: Tensor) -> Tensor:
    """Distances (B, 2, rows) px below the shoulder line of a dress's rows: armpits, waist, hem; none below the ankles."""
    trunk = frame.trunk
    own_waist = neck_level + measures.waist_at * scale
    waist = torch.minimum(torch.maximum(own_waist, trunk * (1 - DRESS_WAIST[1])), trunk * (1 - DRESS_WAIST[0]))
    ankles = trunk + ANKLE_MOST * (frame.leg_joints[:, :, 2] - frame.hip_middle[:, None]).norm(dim=-1).amax(1)
    hem = torch.minimum(waist + (measures.full_length - measures.waist_at) * scale, ankles)
    t = torch.arange(BODY_ROWS + 1, device=level.device)
    above = (t / WAIST_ROW).clamp(max=1)
    below = ((t - WAIST_ROW) / (BODY_ROWS - WAIST_ROW)).clamp(min=0)
    return level[..., None] + (waist[:, None] - level)[..., None] * above + (hem - waist)[:, None, None] * below


def _dress_half(frame: Frame, distance: Tensor, wanted: Tensor) -> Tensor:
    """Half widths (B, 2, rows) px of a dress: the garment's own, but never narrower than the body under it.

    Down to the hips the body is the worn outline, or the usual one where the worn clothes are wide; below them it is the
    legs' silhouette.
    """
    unit = frame.unit[:, None, None]
    at = distance / frame.trunk[:, None, None]
    usual = piecewise(at, DRESS_USUAL) * unit
    outline = row_at(frame, distance)[2]
    trunk = torch.minimum(outline, DRESS_EASE * usual)
    skirt = SKIRT_EASE * outline
    below = ((at - 1.0) / 0.15).clamp(0, 1)
    body = trunk + (skirt - trunk) * below
    # from the waist on a skirt may stand off as far as it is wide
    free = ((at - 0.6) / 0.3).clamp(0, 1)
    most = EASE * body + (torch.maximum(wanted, EASE * body) - EASE * body) * free
    return clip(torch.minimum(torch.maximum(wanted, body), most), DRESS_HALF, frame.unit)


def _sleeve_length(
    frame: Frame, measures: Measures, scale: Tensor, length1: Tensor, length2: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Where along the arms (B, 2) px the sleeves end, the share of the arm they cover (B,), their edges (B, 2) px, and (B, 2)
    where they end where the worn ones do.

    The share is the same on both sides, however an arm is turned.
    """
    arm = length1 + length2
    straight = measures.sleeve_reach * measures.armpit * scale / frame.unit
    cover = piecewise(straight, SLEEVE_COVER).clamp(COVER_LEAST, WRIST_MOST)
    length = cover[:, None] * arm
    worn_end = frame.sleeve_end
    worn = torch.where(worn_end < 1, worn_end * length1, length1 + (worn_end - 1) * length2)
    near = ((length - worn).abs() < SLEEVE_SNAP * arm) & (worn_end > 0.15) & (cover > SNAP_FROM)[:, None]
    outer, inner = (measures.sleeve[..., i] * scale[:, None] for i in (0, 1))
    return torch.where(near, worn, length), cover, outer, inner, near


def _worn_corner(frame: Frame) -> Tensor:
    """(B, 2) the place on the arm of the outer corner of a worn sleeve's cuff, where the silhouette falls to the arm; where the
    sleeve was found to end if it does not.
    """
    outline, end = frame.arm_outline[:, :, 0], frame.sleeve_end[..., None]
    before, after = outline[..., : -2 * CORNER_STEP], outline[..., 2 * CORNER_STEP :]
    place = torch.linspace(0, 2, LIMB_COUNT, device=outline.device)[CORNER_STEP:-CORNER_STEP]
    beside = (place > end - CORNER_NEAR[0]) & (place < end + CORNER_NEAR[1])
    fall = (before - after) * beside * (torch.minimum(before, after) > 0)
    most, at = fall.max(-1)
    corner = place[at] - CORNER_STEP / (LIMB_COUNT - 1)
    return torch.where(most > CORNER_FALL * frame.unit[:, None], torch.minimum(corner, frame.sleeve_end), frame.sleeve_end)


def _on_outline(frame: Frame, edge: int, own: Tensor, bare: Tensor, most: Tensor, place: Tensor, to: Tensor, goes_on: Tensor) -> Tensor:
    """Half widths (B, 2, rows) px of a sleeve's edge: its `own`, or the silhouette's where it keeps to that.

    edge: 0 the outer, 1 the inner; bare: the arm's; most: what it has with all its slack on this side; to (B, 2): the last place
    where the worn sleeve is looked at; goes_on (B, 2): 0..1 where this one ends past the worn one.
    """
    unit = frame.unit[:, None, None]
    outline, past = frame.arm_outline[:, :, edge], place - frame.sleeve_end[..., None]

    def kept(at: Tensor, stands: Tensor) -> tuple[Tensor, Tensor]:
        worn = sample(outline, at / 2 * (LIMB_COUNT - 1))
        # by less the further off it is
        near = ((own + OUTLINE_NEAR * unit - worn) / (0.4 * OUTLINE_NEAR * unit)).clamp(0, 1) * (worn > 0.5 * bare)
        return (torch.minimum(torch.maximum(own, worn), worn + stands * unit) - own) * near, worn

    stands = OUTLINE_EASE + OUTLINE_FREE * past.clamp_min(0)
    on_sleeve, worn = kept(torch.minimum(place, to[..., None]), stands)
    # a worn sleeve's silhouette only where this one is wide enough to have it
    on_sleeve = on_sleeve * ((most + FLAT_SLACK * unit - worn) / (FLAT_FADE * unit)).clamp(0, 1)
    # past it the silhouette is the bare arm's, which is to be covered, and a sleeve may stand off it more and more; what goes on
    # to there has left the worn one before that ends, or its width would jump
    on_arm, _ = kept(torch.maximum(place, frame.sleeve_end[..., None] + ARM_FULL_PAST), stands)
    leaves = torch.maximum(goes_on[..., None] * (past / OUTLINE_LEFT + 1).clamp(0, 1), (past / ARM_FULL_PAST).clamp(0, 1))
    return own + torch.lerp(on_sleeve, on_arm, leaves)


def _sleeves(frame: Frame, measures: Measures, scale: Tensor, out: Tensor, tip: Tensor, armpit: Tensor) -> tuple[SleeveCurves, Tensor]:
    """Outer and inner edges along the bent arm, and where (0..2) the sleeves end."""
    unit = frame.unit[:, None]
    shoulder, elbow, wrist = frame.joints[:, :, 0], frame.joints[:, :, 1], frame.joints[:, :, 2]
    along1, length1 = unit_vector(elbow - shoulder)
    along2, length2 = unit_vector(wrist - elbow)
    normal1 = torch.stack([along1[..., 1], -along1[..., 0]], -1)
    normal1 = torch.where(((normal1 * out).sum(-1, keepdim=True)) >= 0, normal1, -normal1)
    normal2 = torch.stack([along2[..., 1], -along2[..., 0]], -1)

    def cross(a: Tensor, b: Tensor) -> Tensor:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

    same = cross(along1, normal1) * cross(along2, normal2) > 0
    normal2 = torch.where(same[..., None], normal2, -normal2)
    head_out, head_in = ((tip - shoulder) * along1).sum(-1), ((armpit - shoulder) * along1).sum(-1)
    wide_out, wide_in = ((tip - shoulder) * normal1).sum(-1), -((armpit - shoulder) * normal1).sum(-1)
    turn = (1 - (along1 * along2).sum(-1, keepdim=True)).clamp(0, 1)
    length, cover, outer, inner, as_worn = _sleeve_length(frame, measures, scale, length1, length2)
    length = torch.maximum(length, head_in + 0.05 * unit)
    # widths
    end = torch.where(length < length1, length / length1, 1 + (length - length1) / length2)
    goes_on = ((end - frame.sleeve_end - GOES_ON[0]) / (GOES_ON[1] - GOES_ON[0])).clamp(0, 1)
    worn_corner = _worn_corner(frame)
    flat = measures.sleeve_half[:, None] * scale[:, None, None]

    def half_width(distance: Tensor, side_ease: float, edge: int) -> Tensor:
        d = distance
        place = torch.where(d < length1[..., None], d / length1[..., None], 1 + (d - length1[..., None]) / length2[..., None])
        at_sample = place.clamp(0, 2) / 2 * (LIMB_COUNT - 1)
        bare = sample(frame.radius, at_sample)
        ease = torch.minimum((FLAT_ROUND * flat - bare).clamp_min(0), CUFF_EASE[0] * unit[..., None]) * side_ease
        head = torch.minimum(torch.maximum(SLEEVE_TOP * unit[..., None], bare), bare * 1.6)
        q = (d / length[..., None].clamp_min(1e-3)).clamp(0, 1)
        own = head * (1 - q) + (bare * ARM_EASE + ease) * q
        # the cuff is as wide as the worn one at its corner
        to = torch.where(as_worn, worn_corner - CORNER_BEFORE, frame.sleeve_end + 2) if edge == 0 else frame.sleeve_end + 2
        return _on_outline(frame, edge, own, bare, 2 * flat - bare, place, to, goes_on)

    def at(distance: Tensor, offset: Tensor) -> Tensor:
        bend = ((distance - length1[..., None] + 0.14 * unit[..., None]) / (0.28 * unit[..., None])).clamp(0, 1)[..., None]
        normal, _ = unit_vector(normal1[:, :, None] * (1 - bend) + normal2[:, :, None] * bend)
        upper = shoulder[:, :, None] + along1[:, :, None] * distance[..., None]
        lower = elbow[:, :, None] + along2[:, :, None] * (distance - length1[..., None])[..., None]
        # rows are chords of the elbow's round: it would show bare outside them
        tip = 1 + ELBOW_OUT * 4 * (bend * (1 - bend))[..., 0] * turn * (offset > 0)
        return torch.where((distance < length1[..., None])[..., None], upper, lower) + normal * (offset * tip)[..., None]

    t = torch.linspace(0, 1, SLEEVE_ROWS + 1, device=unit.device)
    # a cap sleeve has next to no inner edge: its cuff slants
    capped = ((CAP_SLEEVE[1] - inner / unit) / (CAP_SLEEVE[1] - CAP_SLEEVE[0])).clamp(0, 1)
    slant = torch.minimum(capped * (0.5 * ((head_out + outer) - (head_in + inner))).clamp_min(0), CAP_SLANT * unit)
    end_out = torch.maximum(length + slant, head_out + 0.1 * unit)
    end_in = torch.maximum(length - slant, head_in + 0.04 * unit)
    # a cap's edges are not drawn out much beyond their own length
    cap = (cover <= SNAP_FROM)[:, None]
    end_out = torch.where(cap, torch.minimum(end_out, head_out + torch.maximum(CAP_STRETCH * outer, 0.08 * unit)), end_out)
    end_in = torch.where(cap, torch.minimum(end_in, head_in + torch.maximum(CAP_STRETCH * inner, 0.04 * unit)), end_in)
    # a loose sleeve's cuff runs across the sleeve, which stands off the arm: it ends at the worn one's corner
    corner = torch.minimum((end - worn_corner) * length1, CORNER_OUT * unit) * as_worn
    end_out = torch.maximum(end_out - corner, head_out + 0.1 * unit)
    end_in = end_in + CORNER_IN * corner
    d_out = head_out[..., None] + (end_out - head_out)[..., None] * t
    d_in = head_in[..., None] + (end_in - head_in)[..., None] * t
    head = SLEEVE_HEAD * unit[..., None]
    q = ((d_out - head_out[..., None]) / (head - head_out[..., None]).clamp_min(1e-3)).clamp(0, 1)
    full = half_width(torch.maximum(d_out, head), CUFF_EASE[1], 0)
    offset_out = torch.where(d_out < head, wide_out[..., None] + (full - wide_out[..., None]) * (1 - (1 - q) ** 2).sqrt(), full)
    q = (t / 0.45).clamp(0, 1)
    q = q * q * (3 - 2 * q) * (1 - cap.to(unit.dtype))[..., None]
    offset_in = -(wide_in[..., None] + (half_width(d_in, CUFF_EASE[2], 1) - wide_in[..., None]) * q)
    outer_edge, inner_edge = smooth(at(d_out, offset_out)), smooth(at(d_in, offset_in))
    outer_edge = torch.cat([tip[:, :, None], outer_edge[:, :, 1:]], 2)
    inner_edge = torch.cat([armpit[:, :, None], inner_edge[:, :, 1:]], 2)
    return SleeveCurves(outer_edge, inner_edge + SLEEVE_INSET * (outer_edge - inner_edge)), end
