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
from models.person.parsing.fields import LIGHTNESS_WEIGHT, deviation
from models.person.parsing.kernels import best_label, blur

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
EDGE_WEIGHT, EDGE_CAP = 40.0, 8.0
"""Nats a deviation for an edge across the body at the row, and the most deviations that count: where the split gains alike over
many rows (a waistband, black on black), the hem of the top decides."""
LEAST_ABOVE, LEAST_BELOW = 0.08, 0.02
"""Share of the corridor's pixels on either side of a waist."""
WAIST_TEXTURE_GAIN, WAIST_TEXTURE_SIGMA_PX = 14.0, 2.5

FEWEST_CLOTH_PX = 50.0
"""A trunk with fewer pixels of cloth has the usual waist."""
COUNTED = 0.25
"""The fields have a quarter of the working pixels: counts are worth so much less than those that the weights were tuned on."""
WAIST_BLUR_PX = 1.0
LIMB_BINS = 28
BINS_A_BONE = 12
FULL_BIN_PX = 5.0
"""A slice of a limb with fewer pixels counts less."""
EVIDENCE_CAP = 5.0
"""Nats one pixel can give for skin against cloth."""


ONE_PIECE_GAIN = 0.155
"""Nats per pixel under which the trunk wears one cloth ..."""
SKIRT_REACH = -0.6
"""... if the picture shows the body down to here (`along`) ..."""
LEAST_SKIRT_PX = 25.0
LEG_GAP = 0.12
"""... and no more than this share of what lies between the legs is ground: trousers part, a skirt does not."""


@dataclass(frozen=True, slots=True)
class Waist:
    along: Tensor
    """(B,) the waist line, in trunk lengths above the hips."""
    gain: Tensor
    """(B,) nats per pixel gained by the split; small for one-piece clothes."""


def _histogram(bins: Tensor, values: Tensor, count: int) -> Tensor:
    """Sums of `values` (B, V, P) in each bin (B, P) 0..count-1 -> (B, V, count)."""
    out = values.new_zeros((*values.shape[:2], count))
    return out.scatter_add_(2, bins[:, None].expand_as(values), values)


def _change_score(evidence: Tensor) -> Tensor:
    """(B, K) nats for "after" in each bin -> (B, K+1) score of a change before bin k."""
    before = torch.nn.functional.pad(evidence.cumsum(1), (1, 0))
    return before[:, -1:] - 2 * before


def waist_words(lab: Tensor) -> Tensor:
    """Lab (B, 3, h, w) -> (B, 4, h, w) what tells two cloths of the trunk apart."""
    smooth = blur(lab, WAIST_BLUR_PX)
    texture = WAIST_TEXTURE_GAIN * torch.log1p(deviation(lab[:, 0], WAIST_TEXTURE_SIGMA_PX) / 4)
    return torch.stack((smooth[:, 0] * LIGHTNESS_WEIGHT, smooth[:, 1], smooth[:, 2], texture), 1)


def find_waist(words: Tensor, anatomy: Anatomy, trunk: Tensor) -> Waist:
    """Splits the trunk into two cloths.

    `words` (B, 4, h, w) as `waist_words` makes them; `trunk` (B, h, w) 0/1 marks the corridor's cloth. Too few pixels: the usual
    waist, gain 0.
    """
    weight = trunk * (anatomy.across.abs() < CORRIDOR) * (anatomy.along < TRUNK_TOP) * (anatomy.along > TRUNK_BOTTOM)
    flat = weight.flatten(1)
    total = flat.sum(1)
    lightness, words = words[:, 0] / LIGHTNESS_WEIGHT, words.flatten(2)
    centres = kmeans(systematic_sample(words.mT.contiguous(), flat[:, None])[:, 0], CODES)[0]
    code = best_label(torch.baddbmm(centres.square().sum(2, keepdim=True), centres, words, beta=-1, alpha=2).transpose(0, 1)).long()
    row = ((TRUNK_TOP - anatomy.along) / (TRUNK_TOP - TRUNK_BOTTOM) * BINS).long().clamp(0, BINS - 1).flatten(1)
    counts = _histogram(row * CODES + code, flat[:, None], BINS * CODES).view(-1, BINS, CODES)
    above = counts.cumsum(1)[:, :-1]
    below = counts.sum(1, keepdim=True) - above

    def fitness(histogram: Tensor) -> Tensor:
        """Log likelihood of the codes under their own frequencies (half a count added to each)."""
        return (histogram * ((histogram + 0.5 * COUNTED) / (histogram.sum(-1, keepdim=True) + CODES / 2 * COUNTED)).log()).sum(-1)

    gain = (fitness(above) + fitness(below) - fitness(counts.sum(1, keepdim=True))) / total.clamp_min(1)[:, None]
    line = TRUNK_TOP - (torch.arange(BINS - 1, device=words.device) + 1) / BINS * (TRUNK_TOP - TRUNK_BOTTOM)
    score = gain * total[:, None] * GAIN_WEIGHT / COUNTED - 0.5 * ((line - USUAL_WAIST) / WAIST_SPREAD) ** 2 * PRIOR_WEIGHT
    score = score + EDGE_WEIGHT * _edges(lightness, flat, row)
    enough = (above.sum(2) > LEAST_ABOVE * total[:, None]) & (below.sum(2) > LEAST_BELOW * total[:, None])
    best = torch.where((line < HIGHEST_WAIST) & enough, score, torch.full_like(score, -1e9)).argmax(1)
    found, won = line[best], gain.gather(1, best[:, None])[:, 0]
    lowest = torch.where(weight > 0, anatomy.along, torch.full_like(weight, 9.0)).flatten(1).amin(1)
    cut_off = torch.zeros_like(total, dtype=torch.bool)
    for end, least in CUT_OFF_GAINS:
        cut_off |= (lowest > end) & (won < least)
    found = torch.where(cut_off, (lowest - 0.1).clamp_max(USUAL_WAIST), found)
    known = total >= FEWEST_CLOTH_PX
    return Waist(torch.where(known, found, torch.full_like(found, USUAL_WAIST)), won * known)


def _edges(lightness: Tensor, weight: Tensor, row: Tensor) -> Tensor:
    """How much of an edge across the body each row has, in robust deviations, -1..EDGE_CAP; (B, BINS-1)."""
    level = (lightness + 8).log()
    padded = torch.nn.functional.pad(level[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    smooth_x = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    smooth_y = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    down, across = (smooth_x[:, 2:] - smooth_x[:, :-2]).abs(), (smooth_y[..., 2:] - smooth_y[..., :-2]).abs()
    strength = (down - 0.5 * across).clamp(-0.3, 0.6).flatten(1)
    sums = _histogram(row, torch.stack((strength * weight, weight), 1), BINS)
    mean = sums[:, 0] / sums[:, 1].clamp_min(8 * COUNTED)
    mean = torch.maximum(mean[:, :-1], mean[:, 1:])
    centred = mean - mean.median(1, keepdim=True).values
    return (centred / (1.5 * centred.abs().median(1, keepdim=True).values + 0.02)).clamp(-1, EDGE_CAP)


def find_end(limb: Limb, evidence: Tensor, core: Tensor, first: float, reluctance: float) -> Tensor:
    """Where along a limb cloth turns into skin, in `course` units (B,).

    `evidence` (B, h, w) nats for skin against cloth; `core` (B, h, w) 0/1 the pixels to ask; `first` the course of the first bin;
    `reluctance` nats against a change in the first three bins.
    """
    bins = ((limb.course - first) * BINS_A_BONE).long().clamp(0, LIMB_BINS - 1).flatten(1)
    values = torch.stack((evidence.clamp(-EVIDENCE_CAP, EVIDENCE_CAP) * core, core), 1).flatten(2)
    total, count = _histogram(bins, values, LIMB_BINS).unbind(1)
    score = _change_score(total / count.clamp_min(1) * count.clamp_max(FULL_BIN_PX) / FULL_BIN_PX)
    score[:, :3] -= reluctance
    return score.argmax(1) / BINS_A_BONE + first


def is_one_piece(waist: Waist, hems: tuple[Tensor, Tensor], a: Anatomy, person: Tensor) -> Tensor:
    """(B,) whether the wearer has a dress on: no change of cloth at the waist, and a skirt below it.

    Black trousers under a black top gain as little as a dress does; the ground between the legs tells them apart. `person` (B, h, w) 0..1.
    """
    left, right = a.legs
    between = ((left.radius - right.radius).abs() < 0.25) & (torch.minimum(left.course, right.course) > 0.4)
    between &= (left.course < hems[0][:, None, None] - 0.1) & (right.course < hems[1][:, None, None] - 0.1)
    between &= a.along < waist.along[:, None, None] - 0.3
    area = between.flatten(1).sum(1)
    gap = ((person < 0.5) & between).flatten(1).sum(1)
    skirt = (person * (a.along < SKIRT_REACH)).flatten(1).sum(1) >= LEAST_SKIRT_PX
    return (waist.gain <= ONE_PIECE_GAIN) & skirt & (area > 0) & (gap < LEG_GAP * area)
