"""What the frame shows before anything is labelled: features, the surely-person pixels, and the wearer's own skin.

Skin is the one class whose colour is known beforehand: the cheeks show it, the hands confirm it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy, step
from models.person.parsing.colour import Mixture, fit, log_likelihood, systematic_sample, terms
from models.person.parsing.kernels import erode

SURE_PERSON = 0.6
CHEEKS, FACE_MARGIN = 0.1, 0.1
"""Skin is learnt below the eyes (`head_down`) and so far inside the face's outline."""
DARKEST = 0.75
"""Darker than this share of the cheeks' median: eyes, nostrils, beard."""
SKIN_SPREAD = (30.0, 10.0, 14.0, 30.0)
"""Variance added to lightness, a, b, texture: arms and legs differ from the face in lightness most."""
SKIN_COMPONENTS = 4
FEWEST_FACE_PX = 4
USUAL_SKIN = (102.0, 17.0, 20.0, 10.0)
USUAL_SKIN_SPREAD = (700.0, 60.0, 80.0, 90.0)
"""Anybody's skin, when the picture shows no face."""
SMOOTHEST = 0.8
"""Skin smoother than this share of the face's texture (a leg, a shoulder) is skin all the same: texture tells only where there is more."""
HAND_CORE = 0.06
"""Hands are learnt from so near to their bone, in body widths ..."""
HAND_LIKE = -12.0
"""... where the face's skin explains them with at least this log likelihood (a glove, a pocket is none)."""
HANDS_SHARE = 0.7
"""The hands' weight against the face's, at most."""
GREYEST, LIGHT = 0.32, 0.9
"""Skin as light as this share of the wearer's has no less than that share of its chroma, but for highlights on the face."""
SHADES, SHADE_WEIGHT = (0.75, 0.55), 0.1
"""Skin in shadow: lightness times this, chroma half as much, each at this weight of the lit skin."""


@dataclass(frozen=True, slots=True)
class View:
    """The features of a grid in the forms in which they are judged; P = h·w."""

    seen: Tensor
    """(B, 4, h, w) features."""
    terms: Tensor
    """`colour.terms` of them."""
    colour_terms: Tensor
    """... of the first three features: texture blurs an edge, so person and ground are told without it."""
    skin_terms: Tensor
    """... of the features as skin is judged: texture no smoother than the face's."""
    skin_like: Tensor
    """(B, h, w) log likelihood under `Scene.skin`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is learnt from the coarse grid, where the body's fields are."""

    coarse: View
    pixels: Tensor
    """(B, P, 4) features."""
    skin_pixels: Tensor
    """(B, P, 4) features as skin is judged."""
    foreground: Tensor
    """(B, h, w) 0..1 the person mask."""
    inner: Tensor
    """(B, h, w) 0/1 surely person."""
    skin: Mixture
    """One class: the wearer's skin as face and hands show it."""
    smoothest: Tensor
    """(B,) skin's texture is taken for no less than this."""
    shaded_like: Tensor
    """(B, h, w) log likelihood under `skin` with its shadows."""
    skin_level: Tensor
    """(B, 1, 1) mean of skin's first feature."""


def shaded(skin: Mixture) -> Mixture:
    """Skin with its shadows."""
    log_weight, mean, covariance = [skin.log_weight], [skin.mean], [skin.covariance]
    for shade in SHADES:
        chroma = 0.5 + 0.5 * shade
        log_weight.append(skin.log_weight + math.log(SHADE_WEIGHT))
        mean.append(skin.mean * torch.tensor((shade, chroma, chroma, 1.0), device=skin.mean.device))
        covariance.append(skin.covariance)
    return Mixture(torch.cat(log_weight, 2), torch.cat(mean, 2), torch.cat(covariance, 2))


def _either(condition: Tensor, first: Mixture, second: Mixture) -> Mixture:
    """`first` for the people (B,) where the condition holds; the mixtures have the same shape."""
    where = condition[:, None, None]
    return Mixture(
        torch.where(where, first.log_weight, second.log_weight),
        torch.where(where[..., None], first.mean, second.mean),
        torch.where(where[..., None, None], first.covariance, second.covariance),
    )


def _usual(people: int, components: int, like: Tensor) -> Mixture:
    """Anybody's skin, in the first of several components."""
    log_weight = torch.full((people, 1, components), -torch.inf, device=like.device)
    log_weight[..., 0] = 0
    mean = torch.tensor(USUAL_SKIN, device=like.device).expand(people, 1, components, 4)
    covariance = torch.diag(torch.tensor(USUAL_SKIN_SPREAD, device=like.device)).expand(people, 1, components, 4, 4)
    return Mixture(log_weight, mean, covariance)


def _learn_skin(pixels: Tensor, pixel_terms: Tensor, cheeks: Tensor, anatomy: Anatomy, foreground: Tensor) -> Mixture:
    """Skin as the face shows it, widened by the hands where they look like the same skin; `cheeks` (B, P) 0/1."""
    people = pixels.shape[0]
    middle = systematic_sample(pixels[..., :1], cheeks[:, None]).flatten(1).median(1).values
    cheeks = cheeks * (pixels[..., 0] > DARKEST * middle[:, None])
    face_px = cheeks.sum(1)
    has_face = face_px > FEWEST_FACE_PX
    face = fit(pixels, cheeks[:, None], SKIN_COMPONENTS - 1, SKIN_SPREAD)
    face = _either(has_face, face, _usual(people, SKIN_COMPONENTS - 1, pixels))
    hands = torch.stack([step(HAND_CORE * anatomy.width_px - arm.end_px) * (arm.visibility > 0.5) for arm in anatomy.arms]).amax(0)
    alike = step(log_likelihood(pixel_terms, shaded(face), -24.0)[:, 0] - HAND_LIKE)
    weight = (hands * (foreground > 0.8)).flatten(1) * alike
    share = (HANDS_SHARE * face_px / weight.sum(1).clamp_min(FEWEST_FACE_PX)).clamp_max(1)
    both = torch.where(has_face[:, None], cheeks + share[:, None] * weight, weight)
    skin = fit(pixels, both[:, None], SKIN_COMPONENTS, SKIN_SPREAD)
    return _either(both.sum(1) > FEWEST_FACE_PX, skin, _usual(people, SKIN_COMPONENTS, pixels))


def as_skin(seen: Tensor, smoothest: Tensor) -> Tensor:
    """Features (B, 4, h, w) as skin is judged."""
    return torch.cat((seen[:, :3], torch.maximum(seen[:, 3:], smoothest[:, None, None, None])), 1)


def view(seen: Tensor, skin: Mixture, smoothest: Tensor, skin_terms: Tensor | None = None) -> View:
    """Features (B, 4, h, w) of any grid, to be judged."""
    skin_terms = terms(as_skin(seen, smoothest)) if skin_terms is None else skin_terms
    shape = (seen.shape[0], *seen.shape[2:])
    return View(seen, terms(seen), terms(seen[:, :3]), skin_terms, log_likelihood(skin_terms, skin, -24.0).view(shape))


def neutral(seen: Tensor, skin: Mixture) -> Tensor:
    """(B, h, w) 0..1: features (B, 4, h, w) as light as skin with too little of its chroma: a white collar, a pale bag."""
    mean = (skin.log_weight.exp()[..., None] * skin.mean).sum((1, 2))
    level, chroma = mean[:, 0, None, None], torch.hypot(mean[:, 1], mean[:, 2])[:, None, None]
    grey = step((GREYEST * chroma - torch.hypot(seen[:, 1], seen[:, 2])) / 0.8)
    return grey * step((seen[:, 0] - LIGHT * level) / (0.03 * level).clamp_min(0.5))


def look(seen: Tensor, foreground: Tensor, anatomy: Anatomy) -> Scene:
    """Features (B, 4, h, w) and the person mask (B, h, w) 0..1 of the coarse grid."""
    pixels = seen.flatten(2).mT.contiguous()
    cheeks = ((anatomy.face_depth > FACE_MARGIN) & (anatomy.head_down > CHEEKS) & (foreground > 0.5)).to(seen).flatten(1)
    smoothest = SMOOTHEST * systematic_sample(pixels[..., 3:], cheeks[:, None]).flatten(1).median(1).values
    judged = as_skin(seen, smoothest)
    skin_pixels, skin_terms = judged.flatten(2).mT.contiguous(), terms(judged)
    skin = _learn_skin(skin_pixels, skin_terms, cheeks, anatomy, foreground)
    return Scene(
        coarse=view(seen, skin, smoothest, skin_terms),
        pixels=pixels,
        skin_pixels=skin_pixels,
        foreground=foreground,
        inner=erode((foreground > SURE_PERSON).to(seen), 1),
        skin=skin,
        smoothest=smoothest,
        shaded_like=log_likelihood(skin_terms, shaded(skin), -24.0).view(foreground.shape),
        skin_level=(skin.log_weight.exp() * skin.mean[..., 0]).sum((1, 2))[:, None, None],
    )
