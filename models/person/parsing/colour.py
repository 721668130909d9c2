"""Colour models: for each class a small mixture of Gaussians over `fields.features`, fitted to weighted pixels.

All mixtures of a call are fitted at once, as a batch of fixed shapes, from deterministic samples: the same picture gives the
same parse. A pixel's likelihoods are one matrix product: a Gaussian is linear in the products of a pixel's features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

SAMPLES = 1024
"""Pixels drawn for one class, evenly along its cumulated weight (in reading order: spread over the region)."""
ROUNDS = 8
"""Lloyd rounds of k-means."""
RESTARTS = 4
"""k-means runs of which the tightest is kept: with one, IoUs wander by a hundredth from picture to mirrored picture."""
SEED = 7
SMALLEST_SHARE = 0.02
"""A component with fewer of the samples is dropped."""
FEWEST_PX = 6.0
"""A class whose weights sum to less has no model."""
SPREAD = 18.0
"""Variance added to each feature of a component: a fold or a highlight must not fall out of its cloth."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """C classes of K Gaussians over D features."""

    log_weight: Tensor
    """(C, K); -inf where a component is absent."""
    mean: Tensor
    """(C, K, D)."""
    covariance: Tensor
    """(C, K, D, D)."""

    def __getitem__(self, classes: slice) -> Mixture:
        return Mixture(self.log_weight[classes], self.mean[classes], self.covariance[classes])


def systematic_sample(pixels: Tensor, weight: Tensor) -> Tensor:
    """Draws SAMPLES rows of `pixels` (P, D) for each row of `weight` (C, P), evenly along the cumulated weight -> (C, SAMPLES, D)."""
    total = weight.double().cumsum(1)
    steps = (torch.arange(SAMPLES, device=pixels.device, dtype=torch.float64) + 0.5) / SAMPLES
    index = torch.searchsorted(total, steps[None] * total[:, -1:]).clamp_max(pixels.shape[0] - 1)
    return pixels[index]


def kmeans(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """k-means++ and Lloyd on a batch (C, N, D), the best of RESTARTS -> centres (C, count, D), assignment (C, N)."""
    classes, samples, size = points.shape
    runs = points.repeat(RESTARTS, 1, 1)
    centres, assignment = _lloyd(runs, count)
    spread = ((runs - centres.gather(1, assignment[..., None].expand(-1, -1, size))) ** 2).sum((1, 2))
    best, rows = spread.view(RESTARTS, classes).argmin(0), torch.arange(classes, device=points.device)
    return centres.view(RESTARTS, classes, count, size)[best, rows], assignment.view(RESTARTS, classes, samples)[best, rows]


def _lloyd(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    classes, samples, _ = points.shape
    draws = torch.rand((count, classes, 1), generator=torch.Generator().manual_seed(SEED)).to(points)
    rows = torch.arange(classes, device=points.device)
    # the first centre is the sample nearest to the mean: it does not hang on the order of the pixels
    first = ((points - points.mean(1, keepdim=True)) ** 2).sum(-1).argmin(1)
    centres = points[rows, first][:, None]
    nearest = ((points - centres) ** 2).sum(-1)
    for k in range(1, count):
        cumulated = nearest.cumsum(1)
        chosen = torch.searchsorted(cumulated, draws[k] * cumulated[:, -1:]).clamp_max(samples - 1)[:, 0]
        centre = points[rows, chosen][:, None]
        centres = torch.cat((centres, centre), 1)
        nearest = torch.minimum(nearest, ((points - centre) ** 2).sum(-1))
    assignment = torch.zeros((classes, samples), dtype=torch.long, device=points.device)
    for _ in range(ROUNDS):
        assignment = torch.cdist(points, centres).argmin(-1)
        member = nnf.one_hot(assignment, count).to(points)
        size = member.sum(1)
        moved = member.mT @ points / size.clamp_min(1)[..., None]
        centres = torch.where(size[..., None] > 0, moved, centres)
    return centres, assignment


def fit(pixels: Tensor, weight: Tensor, components: int, spread: Tensor | float = SPREAD) -> Mixture:
    """Fits one mixture a row of `weight` (C, P) to `pixels` (P, D); `spread`, one number or (D,), is added to the variances."""
    sample = systematic_sample(pixels, weight)
    centres, assignment = kmeans(sample, components)
    member = nnf.one_hot(assignment, components).to(sample)
    size = member.sum(1)
    offset = sample[:, :, None] - centres[:, None]
    scatter = torch.einsum("cnk,cnki,cnkj->ckij", member, offset, offset) / (size - 1).clamp_min(1)[..., None, None]
    added = torch.as_tensor(spread, dtype=pixels.dtype, device=pixels.device).expand(pixels.shape[1])
    share = size / SAMPLES
    present = (share >= SMALLEST_SHARE) & (weight.sum(1, keepdim=True) >= FEWEST_PX)
    log_weight = torch.where(present, share.clamp_min(1e-6).log(), torch.full_like(share, -torch.inf))
    return Mixture(log_weight, centres, scatter + torch.diag(added))


def _pairs(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    rows, columns = torch.triu_indices(size, size, device=device)
    return rows, columns


def terms(pixels: Tensor) -> Tensor:
    """(P, D) -> (D(D+1)/2 + D, P): the products and features of which every Gaussian's exponent is a weighted sum."""
    planes = pixels.T.contiguous()
    rows, columns = _pairs(planes.shape[0], planes.device)
    return torch.cat((planes[rows] * planes[columns], planes))


def log_likelihood(pixel_terms: Tensor, mixture: Mixture, floor: float, narrowed: float = 0.0) -> Tensor:
    """Log likelihoods (C, P) of pixels given as `terms`, nowhere under `floor` (the constant -D/2·ln 2π left out).

    A mixture over more features than the pixels have is taken over the first ones only. `narrowed` is taken from its variances.
    """
    size = round((-3 + (9 + 8 * pixel_terms.shape[0]) ** 0.5) / 2)
    mean, covariance = mixture.mean[..., :size], mixture.covariance[..., :size, :size]
    if narrowed:
        covariance = covariance - narrowed * torch.eye(size, dtype=mean.dtype, device=mean.device)
    factor = torch.linalg.cholesky(covariance)
    precision = torch.cholesky_inverse(factor)
    pulled = (precision @ mean[..., None])[..., 0]
    constant = mixture.log_weight - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) - 0.5 * (pulled * mean).sum(-1)
    rows, columns = _pairs(size, mean.device)
    twice = torch.where(rows == columns, -0.5, -1.0)
    weights = torch.cat((precision[..., rows, columns] * twice, pulled), -1)
    exponent = torch.baddbmm(constant.flatten()[None, :, None], weights.flatten(0, 1)[None], pixel_terms[None])
    likelihood: Tensor = exponent.view(*weights.shape[:2], -1).logsumexp(1).clamp_min_(floor)
    return likelihood
