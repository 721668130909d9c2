"""What the body alone says about each pixel: class priors painted zone over zone, from the trunk up to the face."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy, Limb, step
from models.person.parsing.kernels import dilate

HAIR, SKIN, UPPER, LOWER, OTHER = range(5)
"""Rows of a prior: the classes of `models.types.Label` without the background."""

WAIST_BAND = 0.06
"""Softness of the waist line, in trunk lengths."""
TRUNK_HAIR, TRUNK_SKIN, CHEST_SKIN = 0.004, 0.02, 0.22
"""Hair and skin anywhere on the trunk, and skin on the chest, where necklines are."""
SLEEVE_SKIN, BARE_SKIN, HAND_SKIN = 0.04, 0.96, 0.9
"""Skin on an arm before its sleeve ends (a slit, a sheer cloth), past it, and on the hand (a glove, a pocket)."""
SLEEVE_SHARE, SLEEVE_CORE = 0.55, 0.85
"""Above the hips, what is cloth on an arm is at least so much upper; this far inside a visible arm (1 is its outline) nearly all."""
PALM = 2.08
"""Arm course up to which a cuff may reach."""
LEG_SKIN, BARE_LEG, BOOT = 0.03, 0.88, 0.15
"""Skin on a leg before its hem and past it, and the boot's weight there."""
FOOT_SKIN, FOOT_LOWER = 0.25, 0.10
"""The foot's share of skin and of trousers; the rest is shoe."""
HELD, HELD_REACH = 0.06, 0.6
"""Prior of a held thing near the hand, and how far it reaches, in body widths."""
HELD_BESIDE = 0.25
"""... and as much more beside the legs, where no trousers are."""
SIDE_HAIR, FLANK_HAIR, CROWN_HAIR = 0.22, 0.5, 0.9
"""Hair beside and below the face, above the shoulders' outline, and on the skull."""
NECK_CLOTH, THROAT_HAIR, NECK_HAIR = 0.25, 0.02, 0.2
"""Collars on the neck, hair before the throat and before the neck's sides."""
FOREHEAD_HAIR, FACE_HAIR = 0.25, 0.002
"""A fringe over the forehead, hair over the inner face."""
HANG = 0.3
"""Hair below hair on trunk and sleeves: locks hang straight down."""
HANG_REACH, HANG_BESIDE_PX, LOWEST_HAIR = 1.3, 3, 0.25
"""How far they hang, in trunk lengths, how far they lean, in pixels of the fields, and the height (`along`) at which they have ended."""
MORE_LIKE_HAIR, TIP_LOSS = 1.0, 1.0
"""Nats by which it must look more like hair than like cloth, and by which tips are rather skin than hair."""
HIGH, BESIDE_FACE = 0.5, 0.2
"""`along` and `side_hair` above which hair found at first is believed: the shade of an armpit looks like hair."""
COVERED = 4.0
"""A top surely covers what is by prior so many times rather upper than skin: no neckline, no bare arm."""
RARE = 3e-4
"""No class is rarer than this anywhere."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Where cloth ends: the waist in `along`, sleeves and hems in `course`; (B,) each."""

    waist: Tensor
    sleeves: tuple[Tensor, Tensor]
    hems: tuple[Tensor, Tensor]


Share = Tensor | float


def _paint(prior: Tensor, zone: Tensor, *, hair: Share, skin: Share, upper: Share, lower: Share, other: Share = 0.0) -> None:
    """Blends shares (B, h, w) into the prior (B, 5, h, w), in place, by `zone` (B, h, w) 0..1."""
    prior *= (1 - zone)[:, None]
    for plane, share in zip(prior.unbind(1), (hair, skin, upper, lower, other), strict=True):
        if isinstance(share, Tensor):
            plane.addcmul_(zone, share)
        elif share:
            plane.add_(zone, alpha=share)


def _paint_arm(prior: Tensor, arm: Limb, end: Tensor, anatomy: Anatomy, waist: Tensor) -> None:
    zone = step((1.05 - arm.radius) / 0.12)
    seen = arm.visibility > 0.4
    hand = arm.end * torch.where(seen, 1.0, 0.6)
    skin = torch.maximum(SLEEVE_SKIN + (BARE_SKIN - SLEEVE_SKIN) * step((arm.course - end[:, None, None] + 0.02) / 0.05), HAND_SKIN * hand)
    share = prior[:, UPPER] / (prior[:, UPPER] + prior[:, LOWER] + 1e-6)
    # a sleeve over the trousers is upper; a hand leaves the trousers their share
    share = torch.where(anatomy.along > waist - 0.25, torch.maximum(share, SLEEVE_SHARE * (1 - hand)), share)
    core = step((SLEEVE_CORE - arm.radius) / 0.08) * ((arm.course < PALM) & seen)
    share = share + (1 - share) * 0.9 * core
    _paint(prior, zone, hair=0.0, skin=skin, upper=(1 - skin) * share, lower=(1 - skin) * (1 - share))


def _paint_leg(prior: Tensor, leg: Limb, end: Tensor, anatomy: Anatomy, waist: Tensor, hands: Tensor) -> None:
    zone = step((1.3 - leg.radius) / 0.15) * (anatomy.along < waist - 0.05) * (1 - hands)
    past = step((leg.course - end[:, None, None]) / 0.05)
    skin, boot = LEG_SKIN + (BARE_LEG - LEG_SKIN) * past, BOOT * past
    _paint(prior, zone, hair=0.0, skin=skin, upper=0.1 * prior[:, UPPER], lower=1 - skin, other=boot)
    shoe = 1 - FOOT_SKIN - FOOT_LOWER
    _paint(prior, leg.end * (leg.visibility > 0.4), hair=0.0, skin=FOOT_SKIN, upper=0.0, lower=FOOT_LOWER, other=shoe)


def near_hands(a: Anatomy) -> Tensor:
    """(B, h, w) 0..1: beside a hand that is seen, where a held thing would be; the hand and the arm themselves left out."""
    near = torch.zeros_like(a.face)
    arms = torch.zeros_like(a.face)
    for arm in a.arms:
        near = torch.maximum(near, step((HELD_REACH * a.width_px - arm.end_px) / (0.1 * a.width_px)) * (arm.visibility > 0.4))
        arms = torch.maximum(arms, torch.maximum(step((1.05 - arm.radius) / 0.12) * (arm.course < 2), arm.end))
    return near * (1 - arms)


def hanging(anatomy: Anatomy, hair: Tensor) -> Tensor:
    """(B, h, w) 0..1: on trunk and arms, below hair that was found (B, h, w) 0..1, fading with the way down."""
    a = anatomy
    rows = torch.arange(hair.shape[1], device=hair.device)[:, None] / (HANG_REACH * a.trunk_px)
    found = dilate(hair * (a.side_hair > BESIDE_FACE) * (a.along > HIGH), HANG_BESIDE_PX)
    below = (found + rows).cummax(1).values - rows
    free = (1 - a.face) * (1 - a.neck) * step((1.1 - a.along) / 0.03) * step((a.along - LOWEST_HAIR) / 0.05)
    hung: Tensor = ((below - 0.4) / 0.3).clamp(0, 1) * free
    return hung


def with_locks(prior: Tensor, like: Tensor, hung: Tensor) -> tuple[Tensor, Tensor]:
    """Priors and log likelihoods (B, 5, h, w) where hair hangs over cloth; `hung` as `hanging` makes it.

    Only what looks more like hair than like the top is meant. Where the top covers the skin, what looks like skin below hair is hair:
    the tips of locks are lighter than the hair on the head.
    """
    over = hung * (prior[:, UPPER] > COVERED * prior[:, SKIN])
    hair = torch.where(over > 0.5, torch.maximum(like[:, HAIR], like[:, SKIN] - TIP_LOSS), like[:, HAIR])
    lock = over * (hair - like[:, UPPER] > MORE_LIKE_HAIR)
    prior, like = prior.clone(), like.clone()
    like[:, HAIR] = torch.where(lock > 0.5, hair, like[:, HAIR])
    _at_least(prior, HAIR, HANG * lock)
    return prior, like


def body_prior(anatomy: Anatomy, ends: Ends, held: Tensor) -> Tensor:
    """(B, 5, h, w) class priors inside the person, sums to 1; `held` as `near_hands` makes it."""
    a = anatomy
    waist = ends.waist[:, None, None]
    hands = torch.maximum(a.arms[0].end, a.arms[1].end)
    above = step((a.along - waist) / WAIST_BAND)
    upper = above * step((1.22 - a.along) / 0.05)
    rare = torch.ones_like(upper)
    prior = torch.stack((TRUNK_HAIR * rare, TRUNK_SKIN * rare, 0.9 * upper, 0.9 * (1 - above), RARE * rare), 1)
    for leg, end in zip(a.legs, ends.hems, strict=True):
        _paint_leg(prior, leg, end, a, waist, hands)
    arm_skin = torch.zeros_like(upper)
    for arm, end in zip(a.arms, ends.sleeves, strict=True):
        _paint_arm(prior, arm, end, a, waist)
        arm_skin = torch.maximum(arm_skin, step((1.05 - arm.radius) / 0.12) * prior[:, SKIN])
    beside = step((torch.minimum(a.legs[0].radius, a.legs[1].radius) - 1.5) / 0.1)
    _at_least(prior, OTHER, (HELD + HELD_BESIDE * beside) * held * step((waist + 0.3 - a.along) / 0.05))
    chest = step((a.along - 0.6) / 0.08) * step((0.55 - a.across.abs()) / 0.08)
    _at_least(prior, SKIN, CHEST_SKIN * chest)
    hair = THROAT_HAIR + (NECK_HAIR - THROAT_HAIR) * a.neck_side
    _paint(prior, a.neck, hair=hair, skin=1 - NECK_CLOTH - hair, upper=NECK_CLOTH, lower=0.0)
    _at_least(prior, HAIR, SIDE_HAIR * a.side_hair * (1 - a.face) * (1 - a.neck))
    rest = 1 - FLANK_HAIR
    _paint(prior, a.flank * (1 - arm_skin), hair=FLANK_HAIR, skin=0.4 * rest, upper=0.6 * rest, lower=prior[:, LOWER].clone())
    _paint(prior, a.crown * (1 - a.neck), hair=CROWN_HAIR, skin=0.06, upper=0.03 * prior[:, UPPER], lower=0.0)
    hair = FOREHEAD_HAIR + (FACE_HAIR - FOREHEAD_HAIR) * a.core_face
    _paint(prior, a.face, hair=hair, skin=1 - hair, upper=0.005 * prior[:, UPPER], lower=0.0)
    prior = prior.clamp_min_(RARE)
    return prior / prior.sum(1, keepdim=True)


def _at_least(prior: Tensor, label: int, share: Tensor) -> None:
    torch.maximum(prior[:, label], share, out=prior[:, label])
