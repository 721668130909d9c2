"""What each class looks like on this person: seeds from the body, then models refitted from the parse itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy
from models.person.parsing.colour import FEWEST_PX, SPREAD, Mixture, fit, fit_samples, log_likelihood, systematic_sample
from models.person.parsing.priors import HAIR, LOWER, OTHER, SKIN, UPPER
from models.person.parsing.scene import SKIN_SPREAD, Scene, View, shaded

FLOORS = (-15.0, -17.0, -15.0, -15.0, -13.5)
"""Least log likelihood of hair, skin, upper, lower, other. Cloth may have any print, skin has none: an unknown colour is rather
cloth. For other things it is the density of colours spread evenly: any colour may be a shoe or a bag."""
COMPONENTS = 3
SKIN_KNEE = -11.5
"""Log likelihood at which a pixel is as likely as not the skin of face and hands."""
SHADE_KNEE = -14.0
"""Log likelihood under the shaded skin of face and hands, under which a pixel teaches nothing about skin: a black collar."""
UPPER_HALF, LOWER_HALF = 0.5, 0.65
"""Half widths of the seeds' corridors, in body widths."""
WAIST_GAP, HEM_REACH, SHOULDER = 0.07, 0.75, 0.85
"""Seeds keep off the waist line, end so far below it, and below the shoulders (`along`)."""
WAIST_DOUBT_REACH, WAIST_DOUBT = 0.22, 0.9
"""Nearer to the waist line than this, seeds count so much less: shirt tails hang below it, waistbands rise above."""
BELOW_CHIN = 2.2
CLAD_SHARE = 0.25
"""Legs of the colour of shaded skin teach nothing about the lower garment, if so much else of it is seen."""
SKIN_LOSS = 0.7
"""Skin relearnt may explain a pixel better than face and hands do, never worse by more than this (nats)."""
HAIR_ON_NECK, HAIR_ON_FACE, HAIR_ON_CORE = 4.0, 3.0, 0.0
"""Nats by which colour may prefer hair to skin on neck, face and inner face: shadow looks like hair."""
DOUBT = 0.5
"""Skin found where hair may hang (fringe, sides of the neck) counts so much less for skin's own model."""
FACE_SHARE, DARKEST = 0.4, 0.75
"""The inner face stays in skin's model at least at this weight, but for what is darker than this share of the skin."""
HEAD_DOUBT = 0.9
"""Hair found on face and neck counts so much less for hair's model."""


@dataclass(frozen=True, slots=True)
class Appearance:
    cloth: Mixture
    """Four classes: hair, upper, lower, other."""
    skin: Mixture
    """Skin with its shadows."""


def skin_share(view: View) -> Tensor:
    """(B, h, w) 0..1: how surely a pixel has the colour of face and hands."""
    return torch.sigmoid((view.skin_like - SKIN_KNEE).clamp(-30, 30))


def feet(a: Anatomy) -> Tensor:
    """(B, h, w) 0..1: feet that are seen."""
    return torch.stack([leg.end * (leg.visibility > 0.4) for leg in a.legs]).amax(0)


def first_look(scene: Scene, a: Anatomy, waist: Tensor, skin_coloured_top: Tensor, held: Tensor) -> Appearance:
    """Models from where each class must be, by the pose alone.

    `waist` (B,); `skin_coloured_top` (B,) whether the chest has the colour of skin; `held` (B, h, w) as `priors.near_hands` makes it.
    """
    waist = waist[:, None, None]
    not_skin = 1 - skin_share(scene.coarse)
    hands = torch.maximum(a.arms[0].end, a.arms[1].end)
    free = scene.inner * (torch.minimum(a.arms[0].radius, a.arms[1].radius) > 1)
    near = WAIST_DOUBT * torch.sigmoid((WAIST_DOUBT_REACH - (a.along - waist).abs()) / 0.02)
    free = free * (1 - near)
    upper = free * (a.across.abs() < UPPER_HALF) * (a.along > waist + WAIST_GAP) * (a.along < SHOULDER) * (1 - a.neck)
    upper = upper * (a.head_down > BELOW_CHIN) * torch.where(skin_coloured_top[:, None, None], torch.ones_like(not_skin), not_skin)
    lower = free * (a.across.abs() < LOWER_HALF) * (a.along < waist - WAIST_GAP) * (a.along > waist - HEM_REACH)
    lower = lower * (1 - hands) * (1 - held) * not_skin
    bare = torch.sigmoid((scene.shaded_like - SKIN_KNEE).clamp(-30, 30)) * (torch.minimum(a.legs[0].radius, a.legs[1].radius) < 1)
    clad = lower * (1 - bare)
    lower = torch.where((clad.sum((1, 2)) > CLAD_SHARE * lower.sum((1, 2)))[:, None, None], clad, lower)
    top = torch.maximum(a.skull, 0.3 * a.side_hair * (a.head_down < 1.5)) * (1 - a.face) * (a.head_down < 0.9)
    top = top * (0.05 + 0.95 * not_skin) * (0.4 + 0.6 * (a.head_down < -0.8))
    hair = scene.inner * (top + 0.5 * a.flank * (a.head_down < 2.6))
    other = scene.inner * feet(a) * not_skin
    weight = torch.stack((hair, upper, lower, other), 1).flatten(2)
    return Appearance(fit(scene.pixels, weight, COMPONENTS), shaded(scene.skin))


def second_look(scene: Scene, a: Anatomy, posterior: Tensor) -> Appearance:
    """Models from a parse (B, 5, h, w): what is labelled surely teaches the rest."""
    weight = posterior**2 * scene.inner[:, None]
    hair = weight[:, HAIR] * (1 - HEAD_DOUBT * a.face) * (1 - HEAD_DOUBT * a.neck)
    doubtful = torch.maximum(a.face * (1 - a.core_face), a.neck * a.neck_side)
    face = FACE_SHARE * a.core_face * scene.inner * (scene.coarse.seen[:, 0] > DARKEST * scene.skin_level)
    plausible = torch.sigmoid((scene.shaded_like - SHADE_KNEE).clamp(-30, 30))
    skin = torch.maximum(weight[:, SKIN] * (1 - DOUBT * doubtful) * plausible, face)
    other = torch.maximum(weight[:, OTHER], scene.inner * feet(a) * (1 - skin_share(scene.coarse)))
    weight = torch.stack((hair, weight[:, UPPER], weight[:, LOWER], other, skin), 1).flatten(2)
    samples = (systematic_sample(scene.pixels, weight[:, :4]), systematic_sample(scene.skin_pixels, weight[:, 4:]))
    spread = (*((SPREAD,) * 4,) * 4, SKIN_SPREAD)
    every = fit_samples(torch.cat(samples, 1), weight.sum(2) >= FEWEST_PX, COMPONENTS, spread)
    return Appearance(every.of(0, 1, 2, 3), shaded(every.of(4)))


def hair_ahead(a: Anatomy) -> Tensor:
    """(B, h, w) nats by which colour may prefer hair to skin."""
    ahead: Tensor = 30 - (30 - HAIR_ON_NECK) * a.neck
    ahead = torch.minimum(ahead, 30 - (30 - HAIR_ON_FACE) * a.face)
    return torch.minimum(ahead, 30 - (30 - HAIR_ON_CORE) * a.core_face)


def likelihoods(view: View, ahead: Tensor, appearance: Appearance) -> Tensor:
    """(B, 5, h, w) log likelihoods of hair, skin, upper, lower, other; `ahead` (B, h, w) as `hair_ahead` makes it."""
    shape = ahead.shape
    out = ahead.new_empty((shape[0], 5, *shape[1:]))
    skin = log_likelihood(view.skin_terms, appearance.skin, FLOORS[SKIN]).view(shape)
    skin = torch.maximum(skin, view.skin_like - SKIN_LOSS)
    cloth = log_likelihood(view.terms, appearance.cloth, min(FLOORS)).unflatten(2, shape[1:])
    torch.minimum(cloth[:, 0].clamp_min(FLOORS[HAIR]), skin + ahead, out=out[:, HAIR])
    out[:, SKIN] = skin
    for row, label in enumerate((UPPER, LOWER, OTHER), 1):
        torch.clamp_min(cloth[:, row], FLOORS[label], out=out[:, label])
    return out


def colour_likelihoods(view: View, appearance: Appearance, floor: float, narrowed: float) -> Tensor:
    """(B, 4, h, w) log likelihoods of hair, skin, upper, lower by colour alone, their variances less `narrowed`."""
    cloth = log_likelihood(view.colour_terms, appearance.cloth.of(0, 1, 2), floor, narrowed)
    skin = log_likelihood(view.colour_terms, appearance.skin, floor, narrowed)
    like: Tensor = torch.cat((cloth[:, :1], skin, cloth[:, 1:]), 1).unflatten(2, view.seen.shape[2:])
    return like
