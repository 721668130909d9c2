"""Person or background: the masks say roughly where, the ground's own colour says exactly where.

The masks come at 256 × 256 and are wrong by a few pixels along every edge, by more at hems, brims and bags. The ground around
the person is seen plainly, so what it looks like behind the edge can be told: a Gaussian at each place, narrow before a studio's
wall, however it fades, and so wide in a street that it says little.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from models.person.parsing.anatomy import Anatomy, step
from models.person.parsing.appearance import Appearance, colour_likelihoods
from models.person.parsing.fields import blur
from models.person.parsing.priors import LOWER, OTHER, UPPER
from models.person.parsing.scene import Scene

SURE_GROUND = 0.05
"""Mask level under which a pixel is certainly ground ..."""
GUARD = 0.03
"""... if none nearer than this, in body widths, is above it."""
COARSE = 4
REACH_PX = (8.0, 32.0)
"""Sigmas of the windows in which the local ground is averaged; the wider one fills what the narrower cannot see."""
FAR_WEIGHT = 1 / 40
LOCAL_SPREAD = (3.0, 4.0, 4.0)
"""Variance added to the local ground. A studio's wall is that even: a white shirt before it differs by a few grey levels."""
NARROWED = 8.0
"""Taken off the variances of the person's models here, for the same reason (less than any `spread` added to them)."""
LEAST_SEEN = 1e-5
"""Weight of ground in the windows under which nothing is known of it."""
FLOOR = -15.0
TOLERANCE = 0.035
"""How far off the masks' edges may be, in body widths: sigma of the blur that turns them into odds."""
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
BODY_WEIGHT, BODY_CORE = 2.0, 0.7
"""Nats for the person this far inside a visible limb (1 is its outline), where masks lose white sleeves."""
UNSURE = 0.002
"""No pixel is more surely person or ground than this."""


def ground_likelihood(scene: Scene, width_px: float) -> Tensor:
    """Log likelihood (h, w) of each pixel under the ground that would be seen there."""
    shape = scene.foreground.shape
    colours = scene.seen[:3]
    radius = max(1, round(GUARD * width_px))
    near = nnf.max_pool2d(scene.foreground[None, None], 2 * radius + 1, 1, radius)[0, 0]
    sure = (near < SURE_GROUND).to(colours)
    small = nnf.avg_pool2d(torch.cat((sure[None], sure * colours, sure * colours**2))[None], COARSE, ceil_mode=True)[0]
    spread = blur(small, REACH_PX[0] / COARSE) + FAR_WEIGHT * blur(small, REACH_PX[1] / COARSE)
    total = nnf.interpolate(spread[None], size=shape, mode="bilinear", align_corners=False)[0]
    known = total[0].clamp_min(1e-6)
    mean = total[1:4] / known
    variance = (total[4:] / known - mean**2).clamp_min(0) + torch.tensor(LOCAL_SPREAD).to(colours)[:, None, None]
    likelihood: Tensor = -0.5 * ((colours - mean) ** 2 / variance + variance.log()).sum(0)
    unknown = total[0] < LEAST_SEEN
    return likelihood.masked_fill(unknown, FLOOR).clamp_min(FLOOR)


def mask_odds(person: Tensor, a: Anatomy) -> Tensor:
    """Log odds (h, w) for the person by masks and pose, unsure near the masks' edges."""
    soft = blur(person[None], max(0.7, TOLERANCE * a.width_px))[0]
    mixed = torch.maximum(person, 0.5 * (soft + person))
    limbs = [step((BODY_CORE - limb.radius) / 0.1) * (limb.visibility > 0.5) for limb in (*a.arms, *a.legs)]
    return torch.logit(mixed.clamp(ODDS_FLOOR, 1 - ODDS_FLOOR)) + BODY_WEIGHT * torch.stack(limbs).amax(0)


def person_share(scene: Scene, odds: Tensor, ground: Tensor, prior: Tensor, appearance: Appearance) -> Tensor:
    """Probability (h, w) of the person: `odds` of the masks and what the classes' colours say against the `ground`'s.

    `prior` (5, h, w) are the classes' shares inside the person.
    """
    like = colour_likelihoods(scene, appearance, FLOOR, NARROWED).view(4, *odds.shape)
    person = torch.logsumexp(prior[:4].clamp_min(LEAST_PRIOR).log() + like, 0)
    no_cloth = (prior[UPPER] + prior[LOWER] < CLOTH_PRIOR) | (prior[OTHER] > HELD_PRIOR)
    against = EVIDENCE_AGAINST + UNEXPLAINED * step(UNEXPLAINED_BELOW - person) * no_cloth
    evidence = EVIDENCE_WEIGHT * torch.maximum(-against, (person - ground).clamp_max(EVIDENCE_FOR))
    return torch.sigmoid(odds + evidence).clamp(UNSURE, 1 - UNSURE)
