"""Where one cloth ends: the waist, the ends of sleeves, the hems over the legs. Each is a change point along a body axis.

The waist is found without knowing either cloth: pixels of the trunk are coded by colour and texture, and the row that best
splits the codes into two populations wins, held by a prior on where waists are. Sleeves and hems are found with the colour
models at hand: the place where "cloth" turns into "skin".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy, Limb
from models.person.parsing.colour import kmeans, systematic_sample
from models.person.parsing.fields import LIGHTNESS_WEIGHT, blur, deviation

CODES = 14
"""Words of the trunk's colour vocabulary."""
BINS = 88
TRUNK_TOP, TRUNK_BOTTOM = 0.8, -1.4
"""The stretch of `along` in which the waist is sought (legs of a long top included)."""
CORRIDOR = 0.62
"""Half width of the trunk corridor in body widths."""
USUAL_WAIST, WAIST_SPREAD = 0.14, 0.28
"""Prior of the waist line, in trunk lengths above the hips."""
HIGHEST_WAIST = 0.48
CUT_OFF_GAINS = ((0.0, 0.3), (-0.3, 0.2))
"""A picture that ends above the first shows a waist only if the split gains as much as the second; else it ends in the top."""
PRIOR_WEIGHT = 200.0
GAIN_WEIGHT = 0.25
"""Pixels are no independent witnesses: their likelihood counts this much."""
EDGE_WEIGHT, EDGE_CAP = 20.0, 8.0
"""Nats a deviation for an edge across the body at the row, and the most deviations that count: where the split gains alike over
many rows (a waistband, black on black), the hem of the top decides."""
LEAST_ABOVE, LEAST_BELOW = 0.08, 0.02
"""Share of the corridor's pixels on either side of a waist."""
WAIST_TEXTURE_GAIN, WAIST_TEXTURE_SIGMA_PX = 14.0, 2.5

LIMB_BINS = 28
BINS_A_BONE = 12
FULL_BIN_PX = 20.0
"""A slice of a limb with fewer pixels counts less."""
EVIDENCE_CAP = 5.0
"""Nats one pixel can give for skin against cloth."""


ONE_PIECE_GAIN = 0.155
"""Nats per pixel under which the trunk wears one cloth ..."""
SKIRT_REACH = -0.6
"""... if the picture shows the body down to here (`along`) ..."""
LEG_GAP = 0.12
"""... and no more than this share of what lies between the legs is ground: trousers part, a skirt does not."""


@dataclass(frozen=True, slots=True)
class Waist:
    along: float
    """The waist line, in trunk lengths above the hips."""
    gain: float
    """Nats per pixel gained by the split; small for one-piece clothes."""


def _change_score(evidence: Tensor) -> Tensor:
    """(K,) nats for "after" in each bin -> (K+1,) score of a change before bin k."""
    before = torch.cat((evidence.new_zeros(1), evidence.cumsum(0)))
    return before[-1] - 2 * before


def find_waist(lab: Tensor, anatomy: Anatomy, trunk: Tensor) -> Waist:
    """Splits the trunk into two cloths.

    `lab` (3, h, w) as `fields.lab` makes it; `trunk` (h, w) 0/1 marks the corridor's cloth. Too few pixels: the usual waist, gain 0.
    """
    weight = trunk * (anatomy.across.abs() < CORRIDOR) * (anatomy.along < TRUNK_TOP) * (anatomy.along > TRUNK_BOTTOM)
    total = float(weight.sum())
    if total < 200:
        return Waist(USUAL_WAIST, 0.0)
    smooth = blur(lab, 1.0)
    texture = WAIST_TEXTURE_GAIN * torch.log1p(deviation(lab[0], WAIST_TEXTURE_SIGMA_PX) / 4)
    words = torch.stack((smooth[0] * LIGHTNESS_WEIGHT, smooth[1], smooth[2], texture)).flatten(1)
    centres = kmeans(systematic_sample(words.T, weight.reshape(1, -1)), CODES)[0][0]
    code = torch.addmm((centres**2).sum(1, keepdim=True), centres, words, alpha=-2).argmin(0)
    row = ((TRUNK_TOP - anatomy.along) / (TRUNK_TOP - TRUNK_BOTTOM) * BINS).long().clamp(0, BINS - 1).reshape(-1)
    counts = torch.zeros(BINS * CODES, device=lab.device).index_add_(0, row * CODES + code, weight.reshape(-1)).view(BINS, CODES)
    above = counts.cumsum(0)[:-1]
    below = counts.sum(0) - above

    def fitness(histogram: Tensor) -> Tensor:
        """Log likelihood of the codes under their own frequencies (half a count added to each)."""
        return (histogram * ((histogram + 0.5) / (histogram.sum(-1, keepdim=True) + CODES / 2)).log()).sum(-1)

    gain = (fitness(above) + fitness(below) - fitness(counts.sum(0))) / total
    line = TRUNK_TOP - (torch.arange(BINS - 1, device=lab.device) + 1) / BINS * (TRUNK_TOP - TRUNK_BOTTOM)
    score = gain * total * GAIN_WEIGHT - 0.5 * ((line - USUAL_WAIST) / WAIST_SPREAD) ** 2 * PRIOR_WEIGHT
    score = score + EDGE_WEIGHT * _edges(lab[0], weight.reshape(-1), row)
    allowed = (line < HIGHEST_WAIST) & (above.sum(1) > LEAST_ABOVE * total) & (below.sum(1) > LEAST_BELOW * total)
    best = int(torch.where(allowed, score, torch.full_like(score, -1e9)).argmax())
    lowest = float(torch.where(weight > 0, anatomy.along, torch.full_like(weight, 9.0)).amin())
    if any(lowest > end and float(gain[best]) < least for end, least in CUT_OFF_GAINS):
        return Waist(min(USUAL_WAIST, lowest - 0.1), float(gain[best]))
    return Waist(float(line[best]), float(gain[best]))


def _edges(lightness: Tensor, weight: Tensor, row: Tensor) -> Tensor:
    """How much of an edge across the body each row has, in robust deviations, -1..EDGE_CAP; (BINS-1,)."""
    level = (blur(lightness[None], 1.0)[0] + 8).log()
    padded = torch.nn.functional.pad(level[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    smooth_x = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    smooth_y = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    down, across = (smooth_x[2:] - smooth_x[:-2]).abs(), (smooth_y[:, 2:] - smooth_y[:, :-2]).abs()
    strength = (down - 0.5 * across).clamp(-0.3, 0.6).reshape(-1)
    sums = torch.zeros(2, BINS, device=row.device).index_add_(1, row, torch.stack((strength * weight, weight)))
    mean = sums[0] / sums[1].clamp_min(8)
    mean = torch.maximum(mean[:-1], mean[1:])
    centred = mean - mean.median()
    return (centred / (1.5 * centred.abs().median() + 0.02)).clamp(-1, EDGE_CAP)


def find_end(limb: Limb, evidence: Tensor, core: Tensor, first: float, reluctance: float) -> Tensor:
    """Where along a limb cloth turns into skin, in `course` units (a scalar tensor).

    `evidence` (h, w) nats for skin against cloth; `core` (h, w) 0/1 the pixels to ask; `first` the course of the first bin;
    `reluctance` nats against a change in the first three bins.
    """
    bins = ((limb.course - first) * BINS_A_BONE).long().clamp(0, LIMB_BINS - 1).reshape(-1)
    values = torch.stack((evidence.clamp(-EVIDENCE_CAP, EVIDENCE_CAP) * core, core)).reshape(2, -1)
    total, count = torch.zeros(2, LIMB_BINS, device=core.device).index_add_(1, bins, values)
    score = _change_score(total / count.clamp_min(1) * count.clamp_max(FULL_BIN_PX) / FULL_BIN_PX)
    score[:3] -= reluctance
    return score.argmax() / BINS_A_BONE + first


def is_one_piece(waist: Waist, hems: tuple[Tensor, Tensor], a: Anatomy, person: Tensor) -> bool:
    """Whether the wearer has a dress on: no change of cloth at the waist, and a skirt below it.

    Black trousers under a black top gain as little as a dress does; the ground between the legs tells them apart. `person` (h, w) 0..1.
    """
    if waist.gain > ONE_PIECE_GAIN or float((person * (a.along < SKIRT_REACH)).sum()) < 100:
        return False
    left, right = a.legs
    between = ((left.radius - right.radius).abs() < 0.25) & (torch.minimum(left.course, right.course) > 0.4)
    between &= (left.course < hems[0] - 0.1) & (right.course < hems[1] - 0.1) & (a.along < waist.along - 0.3)
    area = float(between.sum())
    return area > 0 and float(((person < 0.5) & between).sum()) < LEG_GAP * area
