"""What the frame shows before anything is labelled: features, the surely-person pixels, and the wearer's own skin.

Skin is the one class whose colour is known beforehand: the cheeks show it, the hands confirm it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy, step
from models.person.parsing.colour import Mixture, fit, log_likelihood, systematic_sample, terms
from models.person.parsing.fields import erode, features, lab

SURE_PERSON = 0.6
CHEEKS, FACE_MARGIN = 0.1, 0.1
"""Skin is learnt below the eyes (`head_down`) and so far inside the face's outline."""
DARKEST = 0.75
"""Darker than this share of the cheeks' median: eyes, nostrils, beard."""
SKIN_SPREAD = (30.0, 10.0, 14.0, 30.0)
"""Variance added to lightness, a, b, texture: arms and legs differ from the face in lightness most."""
SKIN_COMPONENTS = 4
FEWEST_FACE_PX = 12
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
SHADES, SHADE_WEIGHT = (0.75, 0.55), 0.1
"""Skin in shadow: lightness times this, chroma half as much, each at this weight of the lit skin."""


@dataclass(frozen=True, slots=True)
class Scene:
    """P = h·w pixels in rows or, as `colour.terms`, in columns."""

    lab: Tensor
    """(3, h, w)."""
    seen: Tensor
    """(4, h, w) features."""
    pixels: Tensor
    """(P, 4)."""
    terms: Tensor
    colour_terms: Tensor
    """Terms of the first three features: texture blurs an edge, so person and ground are told without it."""
    skin_pixels: Tensor
    """(P, 4) features as skin is judged: texture no smoother than the face's."""
    skin_terms: Tensor
    foreground: Tensor
    """(h, w) 0..1 the person mask."""
    inner: Tensor
    """(h, w) 0/1 surely person."""
    skin: Mixture
    """One class: the wearer's skin as face and hands show it."""
    skin_like: Tensor
    """(h, w) log likelihood under `skin`."""
    shaded_like: Tensor
    """... and under the same skin with its shadows."""
    skin_level: Tensor
    """Mean of its first feature."""


def shaded(skin: Mixture) -> Mixture:
    """Skin with its shadows."""
    log_weight, mean, covariance = [skin.log_weight], [skin.mean], [skin.covariance]
    for shade in SHADES:
        chroma = 0.5 + 0.5 * shade
        log_weight.append(skin.log_weight + torch.tensor(SHADE_WEIGHT).log().to(skin.mean))
        mean.append(skin.mean * torch.tensor((shade, chroma, chroma, 1.0)).to(skin.mean))
        covariance.append(skin.covariance)
    return Mixture(torch.cat(log_weight, 1), torch.cat(mean, 1), torch.cat(covariance, 1))


def _learn_skin(pixels: Tensor, pixel_terms: Tensor, cheeks: Tensor, anatomy: Anatomy, foreground: Tensor) -> Mixture:
    """Skin as the face shows it, widened by the hands where they look like the same skin."""
    spread = torch.tensor(SKIN_SPREAD).to(pixels)
    usual = Mixture(
        torch.zeros((1, 1)).to(pixels),
        torch.tensor(USUAL_SKIN).to(pixels).view(1, 1, 4),
        torch.diag(torch.tensor(USUAL_SKIN_SPREAD)).to(pixels).view(1, 1, 4, 4),
    )
    middle = systematic_sample(pixels[:, :1], cheeks).median()
    cheeks = cheeks * (pixels[:, 0] > DARKEST * middle)
    face_px = float(cheeks.sum())
    face = fit(pixels, cheeks, SKIN_COMPONENTS - 1, spread) if face_px > FEWEST_FACE_PX else usual
    hands = torch.stack([step(HAND_CORE * anatomy.width_px - arm.end_px) * (arm.visibility > 0.5) for arm in anatomy.arms]).amax(0)
    alike = step(log_likelihood(pixel_terms, shaded(face), -24.0)[0] - HAND_LIKE)
    weight = (hands * (foreground > 0.8)).reshape(1, -1) * alike
    share = min(1.0, HANDS_SHARE * face_px / max(float(weight.sum()), FEWEST_FACE_PX)) if face_px > FEWEST_FACE_PX else 1.0
    both = cheeks * float(face_px > FEWEST_FACE_PX) + share * weight
    return fit(pixels, both, SKIN_COMPONENTS, spread) if float(both.sum()) > FEWEST_FACE_PX else usual


def look(rgb: Tensor, foreground: Tensor, anatomy: Anatomy) -> Scene:
    """`rgb` (3, h, w) 0..255 and the person mask (h, w) 0..1 of the frame."""
    height, width = foreground.shape
    lab_picture = lab(rgb)
    seen = features(lab_picture)
    pixels = seen.reshape(4, -1).T.contiguous()
    cheeks = ((anatomy.face_depth > FACE_MARGIN) & (anatomy.head_down > CHEEKS) & (foreground > 0.5)).to(rgb).reshape(1, -1)
    smoothest = SMOOTHEST * float(systematic_sample(pixels[:, 3:], cheeks).median())
    skin_pixels = torch.cat((pixels[:, :3], pixels[:, 3:].clamp_min(smoothest)), 1)
    skin_terms = terms(skin_pixels)
    skin = _learn_skin(skin_pixels, skin_terms, cheeks, anatomy, foreground)
    return Scene(
        lab=lab_picture,
        seen=seen,
        pixels=pixels,
        terms=terms(pixels),
        colour_terms=terms(pixels[:, :3]),
        skin_pixels=skin_pixels,
        skin_terms=skin_terms,
        foreground=foreground,
        inner=erode((foreground > SURE_PERSON).to(rgb), 1),
        skin=skin,
        skin_like=log_likelihood(skin_terms, skin, -24.0).view(height, width),
        shaded_like=log_likelihood(skin_terms, shaded(skin), -24.0).view(height, width),
        skin_level=(skin.log_weight.exp() * skin.mean[..., 0]).sum(),
    )
