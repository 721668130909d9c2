"""Colour models: for each class a small mixture of Gaussians over `fields.features`, fitted to weighted pixels.

All classes are fitted at once, as a batch of fixed shapes, from deterministic samples: the same picture gives the same parse.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SAMPLES = 512
"""Pixels drawn for one class, evenly along its cumulated weight (in reading order: spread over the region)."""
RESTARTS = 4
ROUNDS = 8
"""Lloyd rounds of k-means."""
SMALLEST_SHARE = 0.02
"""A component with fewer of the samples is dropped."""
FEWEST_PX = 6.0
"""A class whose weights sum to less has no model."""
SPREAD = 18.0
"""Variance added to each channel of a cloth or hair component: a fold or a highlight must not fall out of its cloth."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Mixture:
    """C classes of K Gaussians over D features."""

    log_weight: Tensor
    """(C, K); -inf where a component is absent."""
    mean: Tensor
    """(C, K, D)."""
    covariance: Tensor
    """(C, K, D, D)."""


def systematic_sample(pixels: Tensor, weight: Tensor) -> Tensor:
    """Draws SAMPLES rows of `pixels` (P, D) for each row of `weight` (C, P), evenly along the cumulated weight -> (C, SAMPLES, D)."""
    total = weight.double().cumsum(1)
    steps = (torch.arange(SAMPLES, device=pixels.device, dtype=torch.float64) + 0.5) / SAMPLES
    index = torch.searchsorted(total, steps[None] * total[:, -1:]).clamp_max(pixels.shape[0] - 1)
    return pixels[index]


def kmeans(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """k-means++ and Lloyd on a batch (C, N, D), the best of RESTARTS -> centres (C, count, D), assignment (C, N)."""
    classes, samples, size = points.shape
    centres, assignment = _lloyd(points.repeat(RESTARTS, 1, 1), count)
    spread = ((points.repeat(RESTARTS, 1, 1) - centres.gather(1, assignment[..., None].expand(-1, -1, size))) ** 2).sum((1, 2))
    best = spread.view(RESTARTS, classes).argmin(0)
    rows = torch.arange(classes, device=points.device)
    return centres.view(RESTARTS, classes, count, size)[best, rows], assignment.view(RESTARTS, classes, samples)[best, rows]


def _lloyd(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    classes, samples, _ = points.shape
    draws = torch.rand((count, classes, 1), generator=torch.Generator().manual_seed(SEED)).to(points)
    rows = torch.arange(classes, device=points.device)
    # the first centre is the sample nearest to the mean: it does not hang on the order of the pixels
    first = ((points - points.mean(1, keepdim=True)) ** 2).sum(-1).argmin(1)
    centres = points[rows, first][:, None]
    for k in range(1, count):
        nearest = ((points[:, :, None] - centres[:, None]) ** 2).sum(-1).amin(-1).cumsum(1)
        chosen = torch.searchsorted(nearest, draws[k] * nearest[:, -1:]).clamp_max(samples - 1)[:, 0]
        centres = torch.cat((centres, points[rows, chosen][:, None]), 1)
    assignment = torch.zeros((classes, samples), dtype=torch.long, device=points.device)
    for _ in range(ROUNDS):
        assignment = ((points[:, :, None] - centres[:, None]) ** 2).sum(-1).argmin(-1)
        member = torch.nn.functional.one_hot(assignment, count).to(points)
        size = member.sum(1)
        moved = torch.einsum("cnk,cnd->ckd", member, points) / size.clamp_min(1)[..., None]
        centres = torch.where(size[..., None] > 0, moved, centres)
    return centres, assignment


def fit(pixels: Tensor, weight: Tensor, components: int, spread: Tensor | None = None) -> Mixture:
    """Fits one mixture a row of `weight` (C, P) to `pixels` (P, D); `spread` (D,) is added to the variances."""
    sample = systematic_sample(pixels, weight)
    centres, assignment = kmeans(sample, components)
    member = torch.nn.functional.one_hot(assignment, components).to(sample)
    size = member.sum(1)
    offset = sample[:, :, None] - centres[:, None]
    scatter = torch.einsum("cnk,cnki,cnkj->ckij", member, offset, offset) / (size - 1).clamp_min(1)[..., None, None]
    added = torch.full((pixels.shape[1],), SPREAD, dtype=pixels.dtype, device=pixels.device) if spread is None else spread
    share = size / SAMPLES
    present = (share >= SMALLEST_SHARE) & (weight.sum(1, keepdim=True) >= FEWEST_PX)
    log_weight = torch.where(present, share.clamp_min(1e-6).log(), torch.full_like(share, -torch.inf))
    return Mixture(log_weight, centres, scatter + torch.diag(added))


def log_likelihood(pixels: Tensor, mixture: Mixture, floor: float) -> Tensor:
    """(P, D) under C mixtures -> (C, P), nowhere under `floor` (the constant -D/2·ln 2π left out)."""
    classes, count, size = mixture.mean.shape
    precision = torch.linalg.inv(mixture.covariance)
    log_det = torch.logdet(mixture.covariance)
    # -½(x-m)'A(x-m) as one product of [x x', x, 1] with [A, A m, m'A m]: a tenth of the memory of the differences
    pulled = torch.einsum("ckij,ckj->cki", precision, mixture.mean)
    constant = mixture.log_weight - 0.5 * log_det - 0.5 * (pulled * mixture.mean).sum(-1)
    square = (pixels[:, :, None] * pixels[:, None]).reshape(-1, size * size)
    terms = torch.cat((square, pixels), 1) @ torch.cat((-0.5 * precision.reshape(classes * count, -1), pulled.reshape(classes * count, -1)), 1).T
    terms = terms.view(-1, classes, count) + constant
    return torch.logsumexp(terms, -1).clamp_min(floor).T


def marginal(mixture: Mixture, size: int, narrowed: float = 0.0) -> Mixture:
    """The same mixture over the first `size` features, its variances less `narrowed`."""
    eye = torch.eye(size, dtype=mixture.mean.dtype, device=mixture.mean.device)
    return Mixture(mixture.log_weight, mixture.mean[..., :size], mixture.covariance[..., :size, :size] - narrowed * eye)
