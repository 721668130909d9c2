"""Colour models: for each class a small mixture of Gaussians over `fields.features`, fitted to weighted pixels.

All mixtures of a call are fitted at once, as a batch of fixed shapes, from deterministic samples: the same picture gives the
same parse. A pixel's likelihoods are one matrix product: a Gaussian is linear in the products of a pixel's features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

SAMPLES = 1024
"""Pixels drawn for one class, evenly along its cumulated weight (in reading order: spread over the region)."""
ROUNDS = 8
"""Lloyd rounds of k-means."""
RESTARTS = 4
"""k-means runs of which the tightest is kept: with one, IoUs wander by a hundredth from picture to mirrored picture."""
DRAWS = (
    (0.5349, 0.1988, 0.6592, 0.6569),
    (0.2328, 0.4251, 0.2071, 0.6297),
    (0.3653, 0.8513, 0.8549, 0.5509),
    (0.2868, 0.2063, 0.4451, 0.3593),
    (0.7204, 0.0731, 0.9699, 0.1078),
    (0.8829, 0.4132, 0.7572, 0.6948),
    (0.5209, 0.5932, 0.8797, 0.6286),
    (0.7653, 0.1132, 0.8559, 0.6721),
    (0.6267, 0.5691, 0.7437, 0.9592),
    (0.3887, 0.2214, 0.3742, 0.1953),
    (0.7405, 0.2529, 0.2332, 0.9314),
    (0.9575, 0.5575, 0.4134, 0.4355),
    (0.7369, 0.0331, 0.0914, 0.8994),
)
"""Where along the samples' cumulated distance the next centre is taken: one row a centre, one column a restart."""
SMALLEST_SHARE = 0.02
"""A component with fewer of the samples is dropped."""
FEWEST_PX = 6.0
"""A class whose weights sum to less has no model."""
SPREAD = 18.0
"""Variance added to each feature of a component: a fold or a highlight must not fall out of its cloth."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """For each of B people C classes of K Gaussians over D features."""

    log_weight: Tensor
    """(B, C, K); -inf where a component is absent."""
    mean: Tensor
    """(B, C, K, D)."""
    covariance: Tensor
    """(B, C, K, D, D)."""

    def of(self, *classes: int) -> Mixture:
        """Some of the classes."""
        some = list(classes)
        return Mixture(self.log_weight[:, some], self.mean[:, some], self.covariance[:, some])


def systematic_sample(pixels: Tensor, weight: Tensor) -> Tensor:
    """Draws SAMPLES of `pixels` (B, P, D) for each row of `weight` (B, C, P), evenly along the cumulated weight -> (B, C, SAMPLES, D)."""
    total = weight.double().cumsum(2)
    steps = (torch.arange(SAMPLES, device=pixels.device, dtype=torch.float64) + 0.5) / SAMPLES
    index = torch.searchsorted(total, steps * total[..., -1:]).clamp_max(pixels.shape[1] - 1)
    rows = index.flatten(1)[..., None].expand(-1, -1, pixels.shape[2])
    return pixels.gather(1, rows).view(*index.shape, pixels.shape[2])


def _squares(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances (R, K, N) of points (R, D, N) from centres (R, K, D), less the points' own squares."""
    return torch.baddbmm(centres.square().sum(-1, keepdim=True), centres, points, alpha=-2)


def kmeans(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """k-means++ and Lloyd on a batch (R, N, D), the best of RESTARTS -> centres (R, count, D), members 0/1 (R, count, N)."""
    batch, samples, size = points.shape
    middle = points.mean(1, keepdim=True)  # near zero, squares lose no digits
    runs = (points - middle).repeat(RESTARTS, 1, 1)
    columns = runs.mT.contiguous()
    centres = _lloyd(runs, columns, _seeds(runs, count))
    distance = _squares(columns, centres)
    closest = distance.amin(1, keepdim=True)
    best, rows = closest.sum((1, 2)).view(RESTARTS, batch).argmin(0), torch.arange(batch, device=points.device)
    member = (distance <= closest).to(points).view(RESTARTS, batch, count, samples)[best, rows]
    return centres.view(RESTARTS, batch, count, size)[best, rows] + middle, member


def _seeds(points: Tensor, count: int) -> Tensor:
    """First centres (R, count, D), far from each other."""
    runs, samples, _ = points.shape
    draws = torch.tensor(DRAWS, device=points.device)[: count - 1, :RESTARTS].repeat_interleave(runs // RESTARTS, 1)
    rows = torch.arange(runs, device=points.device)
    # the first centre is the sample nearest to the mean: it does not hang on the order of the pixels
    first = points.square().sum(-1).argmin(1)
    centre = points[rows, first]
    centres = [centre]
    nearest = (points - centre[:, None]).square().sum(-1)
    for draw in draws:
        cumulated = nearest.cumsum(1)
        chosen = torch.searchsorted(cumulated, (draw * cumulated[:, -1])[:, None]).clamp_max(samples - 1)[:, 0]
        centre = points[rows, chosen]
        centres.append(centre)
        nearest = torch.minimum(nearest, (points - centre[:, None]).square().sum(-1))
    return torch.stack(centres, 1)


def _lloyd(rows: Tensor, columns: Tensor, centres: Tensor) -> Tensor:
    """Centres (R, K, D) moved to the middle of the points that they are nearest to; the points as (R, N, D) and as (R, D, N)."""
    with_one = torch.cat((rows, torch.ones_like(rows[..., :1])), -1)
    for _ in range(ROUNDS):
        distance = _squares(columns, centres)
        sums = (distance <= distance.amin(1, keepdim=True)).to(rows) @ with_one
        size = sums[..., -1:]
        centres = torch.where(size > 0, sums[..., :-1] / size.clamp_min(1), centres)
    return centres


def fit(pixels: Tensor, weight: Tensor, components: int, spread: tuple[float, ...] | float = SPREAD) -> Mixture:
    """Fits one mixture a row of `weight` (B, C, P) to `pixels` (B, P, D); `spread`, one number or D, is added to the variances."""
    return fit_samples(systematic_sample(pixels, weight), weight.sum(2) >= FEWEST_PX, components, spread)


def fit_samples(
    sample: Tensor, known: Tensor, components: int, spread: tuple[float, ...] | tuple[tuple[float, ...], ...] | float
) -> Mixture:
    """Fits one mixture to each set of samples (B, C, SAMPLES, D); `known` (B, C) whether the class has a model at all.

    `spread`, one number, D or C × D, is added to the variances.
    """
    centres, member = (part.unflatten(0, sample.shape[:2]) for part in kmeans(sample.flatten(0, 1), components))
    size = member.sum(3)
    # second moments about the class's mean, then about each component's own centre
    middle = sample.mean(2, keepdim=True)
    offset, held = sample - middle, centres - middle
    products = (offset[..., :, None] * offset[..., None, :]).flatten(3)
    sums = member @ torch.cat((offset, products), -1)
    count = sample.shape[-1]
    first, second = sums[..., :count], sums[..., count:].unflatten(-1, (count, count))
    cross = first[..., :, None] * held[..., None, :]
    scatter = second - cross - cross.mT + size[..., None, None] * held[..., :, None] * held[..., None, :]
    scatter = scatter / (size - 1).clamp_min(1)[..., None, None]
    added = torch.diag_embed(torch.as_tensor(spread, dtype=sample.dtype, device=sample.device).expand(*sample.shape[1:2], count))
    share = size / SAMPLES
    log_weight = share.clamp_min(1e-6).log().masked_fill((share < SMALLEST_SHARE) | ~known[..., None], -torch.inf)
    return Mixture(log_weight, centres, scatter + added[:, None])


@cache
def _pairs(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    rows, columns = torch.triu_indices(size, size, device=device)
    return rows, columns


def terms(planes: Tensor) -> Tensor:
    """Features (B, D, h, w) -> (B, D(D+1)/2 + D, P): the products and features of which every Gaussian's exponent is a weighted sum."""
    flat = planes.flatten(2)
    size, start = flat.shape[1], 0
    out = flat.new_empty((flat.shape[0], size * (size + 3) // 2, flat.shape[2]))
    for row in range(size):  # in the order of `_pairs`
        torch.mul(flat[:, row:], flat[:, row : row + 1], out=out[:, start : start + size - row])
        start += size - row
    out[:, start:] = flat
    return out


def log_likelihood(pixel_terms: Tensor, mixture: Mixture, floor: float, narrowed: float = 0.0) -> Tensor:
    """Log likelihoods (B, C, P) of pixels given as `terms`, nowhere under `floor` (the constant -D/2·ln 2π left out).

    A mixture over more features than the pixels have is taken over the first ones only. `narrowed` is taken from its variances.
    The nearest component speaks for its class: the others add little, and a maximum costs a tenth of a sum of exponentials.
    """
    size = round((-3 + (9 + 8 * pixel_terms.shape[1]) ** 0.5) / 2)
    mean, covariance = mixture.mean[..., :size], mixture.covariance[..., :size, :size]
    if narrowed:
        covariance = covariance - narrowed * torch.eye(size, dtype=mean.dtype, device=mean.device)
    factor, _ = torch.linalg.cholesky_ex(covariance)
    precision = torch.cholesky_inverse(factor)
    pulled = (precision @ mean[..., None])[..., 0]
    constant = mixture.log_weight - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) - 0.5 * (pulled * mean).sum(-1)
    rows, columns = _pairs(size, mean.device)
    twice = torch.where(rows == columns, -0.5, -1.0)
    weights = torch.cat((precision[..., rows, columns] * twice, pulled), -1)
    exponent = torch.baddbmm(constant.flatten(1)[..., None], weights.flatten(1, 2), pixel_terms)
    likelihood: Tensor = exponent.unflatten(1, constant.shape[1:]).amax(2).clamp_min_(floor)
    return likelihood
