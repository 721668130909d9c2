"""Person or background: the masks say roughly where, the ground's own colour says exactly where.

The masks come at 256 × 256 and are wrong by a few pixels along every edge, by more at hems, brims and bags. The ground around
the person is seen plainly, so what it looks like behind the edge can be told: a Gaussian at each place, narrow before a studio's
wall, however it fades, and so wide in a street that it says little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy, Scalars, step
from models.person.parsing.appearance import Appearance, colour_likelihoods
from models.person.parsing.kernels import blur, dilate, halve, resize
from models.person.parsing.priors import LOWER, OTHER, UPPER
from models.person.parsing.scene import View

SURE_GROUND = 0.05
"""Mask level under which a pixel is certainly ground ..."""
GUARD_PX = 1
"""... if none nearer than this on the coarse grid is above it."""
REACH_PX = (4.0, 16.0)
"""Sigmas, on the coarse grid, of the windows in which the local ground is averaged; the wider one fills what the narrower cannot see."""
FAR_WEIGHT = 1 / 40
LOCAL_SPREAD = (3.0, 4.0, 4.0)
"""Variance added to the local ground. A studio's wall is that even: a white shirt before it differs by a few grey levels."""
NARROWED = 8.0
"""Taken off the variances of the person's models here, for the same reason (less than any `spread` added to them)."""
LEAST_SEEN = 1e-5
"""Weight of ground in the windows under which nothing is known of it."""
FLOOR = -15.0
TOLERANCE = 0.07
"""How far off the masks' edges may be, in body widths: sigma of the blur that turns them into odds."""
NARROW, WIDE = 0.005, 0.024
"""Two blurs, sigmas in heights of a square frame, of which the one for a body of any width is mixed."""
ODDS_FLOOR = 2e-3
LEAST_PRIOR = 0.15
"""Against the ground, no class of the person is rarer than this: a shirt's hem may hang below the waist."""
EVIDENCE_WEIGHT = 0.7
EVIDENCE_FOR, EVIDENCE_AGAINST = 5.0, 1.0
"""Nats that colour may speak for the person and against: a white shirt before a white wall is no hole."""
UNEXPLAINED, UNEXPLAINED_BELOW = 12.0, -11.0
CLOTH_PRIOR, HELD_PRIOR = 0.2, 0.1
"""... but as many more where nothing of the person looks like that (log likelihood), the ground does, and no cloth is expected (less
prior than this, or so much for a held thing): the gap between arm and hip. A white trim on cloth is left alone."""
COLLAR_ODDS = 1.0
"""... and so is a white collar before a white wall where the masks are this sure: skin and hair are expected there."""
LOW_COLLAR, UNDER_CHIN, BESIDE_NECK = 0.85, 1.7, 2.0
"""Collars lie above the first (`along`), below the second and within the third (`head_down`, `head_across`)."""
BODY_WEIGHT, BODY_CORE = 2.0, 0.7
"""Nats for the person this far inside a visible limb (1 is its outline), where masks lose white sleeves."""
UNSURE = 0.002
"""No pixel is more surely person or ground than this."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The local ground, averaged over windows; a quarter of the coarse grid's pixels."""

    weight: Tensor
    """(B, 1, h/2, w/2) how much of it is seen from there."""
    moments: Tensor
    """(B, 6, h/2, w/2) mean and mean square of lightness, a, b."""


def learn_ground(seen: Tensor, foreground: Tensor) -> Ground:
    """From features (B, 4, h, w) and the person mask (B, h, w) of the coarse grid."""
    colours = seen[:, :3]
    sure = (dilate(foreground, GUARD_PX) < SURE_GROUND).to(seen)[:, None]
    small = halve(torch.cat((sure, sure * colours, sure * colours**2), 1))
    spread = blur(small, REACH_PX[0] / 2) + FAR_WEIGHT * blur(small, REACH_PX[1] / 2)
    return Ground(spread[:, :1], spread[:, 1:] / spread[:, :1].clamp_min(1e-6))


def ground_likelihood(ground: Ground, seen: Tensor) -> Tensor:
    """Log likelihood (B, h, w) of features (B, 4, h, w) of any grid under the ground that would be seen there."""
    size = (seen.shape[2], seen.shape[3])
    mean, square = resize(ground.moments, size).split(3, 1)
    variance = (square - mean**2).clamp_min(0) + torch.tensor(LOCAL_SPREAD, device=seen.device)[:, None, None]
    likelihood: Tensor = -0.5 * ((seen[:, :3] - mean) ** 2 / variance + variance.log()).sum(1)
    unknown = resize(ground.weight, size)[:, 0] < LEAST_SEEN
    return likelihood.masked_fill(unknown, FLOOR).clamp_min(FLOOR)


def limb_odds(a: Anatomy) -> Tensor:
    """Log odds (B, h, w) for the person in the middle of limbs that are seen, where masks lose white sleeves."""
    limbs = [step((BODY_CORE - limb.radius) / 0.1) * (limb.visibility > 0.5) for limb in (*a.arms, *a.legs)]
    return BODY_WEIGHT * torch.stack(limbs).amax(0)


def collars(a: Anatomy) -> Tensor:
    """(B, h, w) 0..1: where collars lie."""
    low: Tensor = (
        step((a.along - LOW_COLLAR) / 0.03) * step((a.head_down - UNDER_CHIN) / 0.1) * step((BESIDE_NECK - a.head_across.abs()) / 0.1)
    )
    return low


def mask_odds(person: Tensor, limbs: Tensor, width_px: Scalars) -> Tensor:
    """Log odds (B, h, w) for the person by masks and pose (`limb_odds`), unsure near the masks' edges; `width_px` on the same grid."""
    side = math.sqrt(person.shape[1] * person.shape[2])
    narrow, wide = NARROW * side, WIDE * side
    share = (((TOLERANCE * width_px) ** 2 - narrow**2) / (wide**2 - narrow**2)).clamp(0, 1)
    soft = torch.lerp(blur(person, narrow), blur(person, wide), share)
    mixed = torch.maximum(person, 0.5 * (soft + person))
    return torch.logit(mixed.clamp(ODDS_FLOOR, 1 - ODDS_FLOOR)) + limbs


def person_share(view: View, odds: Tensor, behind: Tensor, prior: Tensor, collar: Tensor, appearance: Appearance) -> Tensor:
    """Probability (B, h, w) of the person: `odds` of the masks and what the classes' colours say against the ground's (`behind`).

    `prior` (B, 5, h, w) are the classes' shares inside the person, `collar` (B, h, w) 0..1 where collars lie.
    """
    like = colour_likelihoods(view, appearance, FLOOR, NARROWED)
    person = torch.logsumexp(prior[:, :4].clamp_min(LEAST_PRIOR).log() + like, 1)
    no_cloth = (prior[:, UPPER] + prior[:, LOWER] < CLOTH_PRIOR) | (prior[:, OTHER] > HELD_PRIOR)
    no_cloth = no_cloth & ~((collar > 0.5) & (odds > COLLAR_ODDS))
    against = EVIDENCE_AGAINST + UNEXPLAINED * step(UNEXPLAINED_BELOW - person) * no_cloth
    evidence = EVIDENCE_WEIGHT * torch.maximum(-against, (person - behind).clamp_max(EVIDENCE_FOR))
    return torch.sigmoid(odds + evidence).clamp(UNSURE, 1 - UNSURE)
