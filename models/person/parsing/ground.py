"""Person or background: the masks say roughly where, the ground's own colour says exactly where.

The masks come at 256 × 256 and are wrong by a few pixels along every edge, by more at hems, brims and bags. The ground around
the person is seen plainly, so what it looks like behind the edge can be told: a local Gaussian (a studio's wall, however it
fades) and a mixture over the whole ground (a street).
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from models.person.parsing.anatomy import Anatomy, step
from models.person.parsing.colour import fit, log_likelihood
from models.person.parsing.fields import blur

SURE_GROUND = 0.05
"""Mask level under which a pixel is certainly ground."""
GUARD = 0.03
"""Ground is learnt no nearer to the person than this, in body widths."""
REACH_PX = (8.0, 32.0)
"""Sigmas of the windows in which the local ground is averaged; the wider one fills what the narrower cannot see."""
NARROW_PREFERENCE = 40.0
LOCAL_SPREAD = (12.0, 10.0, 10.0)
"""Variance added to the local ground: sensor noise and JPEG blocks."""
GLOBAL_COMPONENTS = 4
LOCAL_SHARE = 0.7
TOLERANCE = 0.035
"""How far off the masks' edges may be, in body widths: sigma of the blur that turns them into a prior."""
PRIOR_FLOOR = 2e-3
EVIDENCE_WEIGHT = 0.7
EVIDENCE_FOR, EVIDENCE_AGAINST = 5.0, 2.0
"""Nats that colour may speak for the person and against: a white shirt before a white wall is no hole."""
NARROWED = 8.0
LEAST_PRIOR = 0.15
BODY_WEIGHT = 2.0
BODY_CORE = 0.7


def prior(person: Tensor, width_px: float) -> Tensor:
    """Mask (h, w) 0..1 -> log odds (h, w) for the person, unsure near the mask's edge."""
    soft = blur(person[None], max(0.7, TOLERANCE * width_px))[0]
    mixed = (0.3 * soft + 0.7 * person).clamp(PRIOR_FLOOR, 1 - PRIOR_FLOOR)
    return torch.logit(mixed)


def body(anatomy: Anatomy) -> Tensor:
    """(h, w) 0..1: surely inside the body, by the pose alone."""
    zone = torch.zeros_like(anatomy.face)
    for limb in (*anatomy.arms, *anatomy.legs):
        if limb.visibility > 0.5:
            zone = torch.maximum(zone, step((BODY_CORE - limb.radius) / 0.1))
    return zone


def ground_likelihood(colours: Tensor, person: Tensor, width_px: float, floor: float) -> Tensor:
    """Log likelihood (h, w) of each pixel under the ground that would be seen there.

    `colours` (3, h, w) are the first three features, `person` (h, w) the mask.
    """
    height, width = person.shape
    radius = max(1, round(GUARD * width_px))
    near = nnf.max_pool2d(person[None, None], 2 * radius + 1, 1, radius)[0, 0]
    sure = (near < SURE_GROUND).float()
    moments = torch.cat((sure[None], sure * colours, sure * colours**2))
    total = torch.zeros_like(moments)
    small = nnf.avg_pool2d(moments[None], 4, ceil_mode=True)[0]
    for k, sigma in enumerate(REACH_PX):
        weight = 1.0 if k == 0 else 1 / NARROW_PREFERENCE
        spread = blur(small, sigma / 4)
        total += weight * nnf.interpolate(spread[None], size=(height, width), mode="bilinear", align_corners=False)[0]
    known = total[0]
    mean = total[1:4] / known.clamp_min(1e-6)
    spread = torch.tensor(LOCAL_SPREAD, device=colours.device)[:, None, None]
    variance = (total[4:] / known.clamp_min(1e-6) - mean**2).clamp_min(0) + spread
    local = -0.5 * ((colours - mean) ** 2 / variance + variance.log()).sum(0)
    everywhere = log_likelihood(colours.reshape(3, -1).T, fit(colours.reshape(3, -1).T, sure.reshape(1, -1), GLOBAL_COMPONENTS), floor)
    share = LOCAL_SHARE * (known / (known + 1e-3))
    both = torch.logaddexp(local + share.clamp_min(1e-6).log(), everywhere.view(height, width) + (1 - share).log())
    return both.clamp_min(floor)
