"""How far a parse can be trusted, from three things that are measured on it; no truth is known.

- *Expected overlap*: the IoU that each class would have, were its probabilities true. Small classes count as much as large ones.
- *Doubt*: the share of the person on which the best two classes are nearly even.
- *Separation*: by how many nats the two garments are told apart by their looks (black on black: none). A person who wears one piece,
  or shows one garment only, is judged as a usual one.

They were chosen for how they rank parses by their IoU against truth and against the parse of the same photo turned, darkened or cut.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.person.parsing.kernels import best_label
from models.person.parsing.priors import LOWER, UPPER
from models.types import Label

DOUBTFUL_MARGIN = 0.3
LEAST_SHARE = 0.01
"""A class on less of the person than this is not there."""
LARGEST_SEPARATION = 8.0
USUAL_OVERLAP, OVERLAP_SPREAD = 0.84, 0.077
USUAL_DOUBT, DOUBT_SPREAD = 0.061, 0.028
USUAL_SEPARATION, SEPARATION_SPREAD = 5.7, 2.1
"""Means and deviations over photos of all kinds: the three are added in deviations, ..."""
LEVEL, SLOPE = 1.2, 0.5
"""... and their sum becomes a probability: a usual photo has 0.77, two deviations less 0.55, astronauts in their suits 0.2."""


def certainty(posterior: Tensor, probabilities: Tensor, like: Tensor, one_piece: Tensor) -> Tensor:
    """(B,) 0..1; 0 where there is nobody.

    `posterior` (B, 5, h, w) the classes pixel by pixel, `probabilities` (B, 6, h, w) the same after the guided filter (the mean field
    would make every pixel sure of what its neighbours say), `like` (B, 5, h, w) log likelihoods, `one_piece` (B,) wears a dress.
    """
    inside = (probabilities[:, Label.BACKGROUND] < 0.5).to(like)
    area = inside.sum((1, 2)).clamp_min(1)
    best, second = probabilities[:, 0], torch.zeros_like(inside)
    for plane in probabilities[:, 1:].unbind(1):
        second = torch.maximum(second, torch.minimum(best, plane))
        best = torch.maximum(best, plane)
    doubt = ((best - second < DOUBTFUL_MARGIN) * inside).sum((1, 2)) / area
    worn = posterior[:, UPPER : LOWER + 1]
    worn = torch.where(one_piece[:, None, None, None], torch.stack((worn.sum(1), torch.zeros_like(best)), 1), worn)
    posterior = torch.cat((posterior[:, :UPPER], worn), 1)
    overlap, share = _overlaps(posterior, best_label(probabilities.transpose(0, 1)), area)
    there = (share > LEAST_SHARE).to(like)
    overlap = (overlap * there).sum(1) / there.sum(1).clamp_min(1)
    cloth = (probabilities[:, [Label.UPPER, Label.LOWER]].sum(1) > 0.5).to(like)
    apart = ((like[:, UPPER] - like[:, LOWER]).abs() * cloth).sum((1, 2)) / cloth.sum((1, 2)).clamp_min(1)
    alone = one_piece | (share[:, UPPER] < LEAST_SHARE) | (share[:, LOWER] < LEAST_SHARE)
    separation = torch.where(alone, torch.full_like(apart, USUAL_SEPARATION), apart.clamp_max(LARGEST_SEPARATION))
    deviations = (
        (overlap - USUAL_OVERLAP) / OVERLAP_SPREAD
        - (doubt - USUAL_DOUBT) / DOUBT_SPREAD
        + (separation - USUAL_SEPARATION) / SEPARATION_SPREAD
    )
    return torch.sigmoid(LEVEL + SLOPE * deviations) * (inside.sum((1, 2)) > 0)


def _overlaps(posterior: Tensor, labels: Tensor, area: Tensor) -> tuple[Tensor, Tensor]:
    """Expected IoU (B, 4) of hair, skin, upper, lower, and their shares of the person (B, 4)."""
    values, shares = [], []
    for row in range(4):
        hard = (labels == row + 1).to(posterior)
        soft = posterior[:, row]
        size, hit = hard.sum((1, 2)), (soft * hard).sum((1, 2))
        values.append(hit / (size + soft.sum((1, 2)) - hit).clamp_min(1e-3))
        shares.append(size / area)
    return torch.stack(values, 1), torch.stack(shares, 1)
