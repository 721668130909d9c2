"""The person parse: from photo, pose and person masks to background, hair, skin, upper, lower and other.

    body prior × colour likelihood → posterior → (models refitted, once more) → guided filter → mean field → clean-up → full size → seams

No network runs here: where a body part may be comes from the pose, what it looks like from this photo alone. People are read
together, as a batch of fixed shape; nothing between the frame and the finished parse is looked up on the host, so that the same
code is one stream of work on a GPU. The body's fields and the first round live on a coarse grid of half the frame's resolution:
they are smooth, and the first round only teaches the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.person.masks import ClassMaps
from models.person.parsing import ground
from models.person.parsing.anatomy import Anatomy, read_anatomy
from models.person.parsing.appearance import first_look, hair_ahead, likelihoods, second_look, skin_share
from models.person.parsing.certainty import certainty
from models.person.parsing.classes import as_evidence, classes_in_frame, with_classes
from models.person.parsing.cleaning import clean, read_zones
from models.person.parsing.cuts import Waist, find_end, find_waist, is_one_piece, waist_words
from models.person.parsing.fields import choose_frame, features, lab, landmarks_in_frame, mask_in_frame, picture_in_frame
from models.person.parsing.kernels import blur, halve, resize
from models.person.parsing.priors import HAIR, LOWER, SKIN, UPPER, Ends, body_prior, hanging, near_hands, with_locks
from models.person.parsing.scene import Scene, look, neutral, view
from models.person.parsing.seams import touch_up
from models.person.parsing.smooth import guide_coefficients, guided, mean_field
from models.person.parsing.upsample import as_guide, edge_lines, to_photo, without_specks
from models.types import FloatArray, Label, Notice, PersonParse, Picture, Pose

ROUGH_BLUR_PX = 0.5
"""The first round only teaches the second: a blur does."""
GUIDE_RADIUS_PX, GUIDE_EPSILON = 2, 9.2e-4
"""On the coarse grid."""
ARM_CORE, LEG_CORE = 0.75, 0.7
"""Sleeve ends and hems are sought this far inside a limb (1 is its outline)."""
HEM_RELUCTANCE = 2.0
"""Nats against a hem in the first three slices of the leg: that is the hip."""
SKIN_TOP, FEWEST_CHEST_PX = 0.6, 5
"""If so much of the chest has the colour of skin, the garment has it too (or there is none)."""
NEUTRAL_LOSS = 4.0
"""Nats against skin for what is as light and has hardly a colour; it is not kept from the models' lessons: skin of highlights is skin."""
LEAST = 1e-5
"""No class is quite impossible anywhere."""
ONE_PIECE = Notice("one-piece", "The wearer's top and skirt look like one piece and are parsed as the upper garment.")


@dataclass(frozen=True, slots=True)
class Parsed:
    """Parses of B people in frames of (h, w)."""

    probabilities: Tensor
    """(B, 6, h, w)."""
    lines: Tensor
    """(B, 5, 4, h, w) what each class is as a function of colour: `upsample.edge_lines`."""
    certainty: Tensor
    """(B,)."""
    waist_gain: Tensor
    """(B,)."""
    one_piece: Tensor
    """(B,)."""


def parse_person(
    photo: Picture,
    pose: Pose,
    pose_mask: FloatArray,
    selfie_mask: FloatArray,
    classes: ClassMaps | None = None,
    device: torch.device | None = None,
) -> PersonParse:
    """Parses one person.

    `photo` (H, W, 3); `pose` in its pixels, landmarks may lie outside; `pose_mask` and `selfie_mask` (H, W) 0..1; `classes` what
    a six-class segmenter says, if there is one; `device` that reads, None for the CPU. Never raises for a body that is cut off: classes
    without evidence stay empty. The same input gives the same parse.
    """
    frame = choose_frame(pose, pose_mask, selfie_mask)
    with torch.inference_mode():
        rgb = torch.from_numpy(picture_in_frame(photo, frame))[None].to(device)
        both = np.stack((mask_in_frame(pose_mask, frame), mask_in_frame(selfie_mask, frame)))
        masks = torch.from_numpy(both)[None].to(device)
        landmarks = torch.from_numpy(landmarks_in_frame(pose, frame))[None].to(device)
        visibility = torch.from_numpy(np.nan_to_num(pose.visibility).astype(np.float32))[None].to(device)
        maps = None if classes is None else torch.from_numpy(classes_in_frame(classes, frame))[None].to(device)
        parsed = parse_frames(rgb, masks, landmarks, visibility, maps)
        probabilities, labels = to_photo(parsed.probabilities[0], parsed.lines[0], photo, frame)
    drawn, told = probabilities.cpu().numpy(), without_specks(labels.cpu().numpy())
    touch_up(drawn, told, photo, (pose_mask, selfie_mask), pose, frame)
    return PersonParse(
        probabilities=drawn,
        labels=told,
        certainty=float(parsed.certainty[0]),
        waist_gain=float(parsed.waist_gain[0]),
        notices=(ONE_PIECE,) if bool(parsed.one_piece[0]) else (),
    )


def parse_frames(rgb: Tensor, masks: Tensor, landmarks: Tensor, visibility: Tensor, classes: Tensor | None = None) -> Parsed:
    """Parses B people on the device of the inputs.

    `rgb` (B, 3, h, w) 0..255; `masks` (B, 2, h, w) 0..1 by pose and by segmenter; `landmarks` (B, 33, 2) in the frame's pixels with
    their `visibility` (B, 33); `classes` (B, 6, h, w) of a six-class segmenter.
    """
    size = (rgb.shape[2], rgb.shape[3])
    foreground = masks.mean(1)
    said = None
    if classes is not None:
        foreground, said = with_classes(foreground, classes), as_evidence(classes)
    lab_picture = lab(rgb)
    seen = features(lab_picture)
    # the coarse grid
    anatomy = read_anatomy((landmarks - 0.5) / 2, visibility, size[0] // 2, size[1] // 2)
    scene = look(halve(seen), halve(foreground), anatomy)
    held = near_hands(anatomy)
    waist, skin_top = read_waist(scene, anatomy, halve(waist_words(lab_picture)))
    landscape = ground.learn_ground(scene.coarse.seen, scene.foreground)
    limbs, collar, ahead = ground.limb_odds(anatomy), ground.collars(anatomy), hair_ahead(anatomy)
    appearance = first_look(scene, anatomy, waist.along, skin_top, held)
    coarsely = None if said is None else halve(said)
    like = _informed(likelihoods(scene.coarse, ahead, appearance), coarsely)
    prior = body_prior(anatomy, read_ends(scene, anatomy, like, waist.along), held)
    odds = ground.mask_odds(scene.foreground, limbs, anatomy.width_px)
    behind = ground.ground_likelihood(landscape, scene.coarse.seen)
    solid = ground.person_share(scene.coarse, odds, behind, prior, collar, appearance)
    posterior = torch.softmax(prior.log() + like, 1) * solid[:, None]
    hung = resize(hanging(anatomy, posterior[:, HAIR]), size)
    appearance = second_look(scene, anatomy, blur(posterior, ROUGH_BLUR_PX))
    ends = read_ends(scene, anatomy, _informed(likelihoods(scene.coarse, ahead, appearance), coarsely), waist.along)
    # the frame's own pixels
    fine = view(seen, scene.skin, scene.smoothest)
    prior = resize(body_prior(anatomy, ends, held), size)
    like = _informed(likelihoods(fine, resize(ahead, size), appearance), said)
    like[:, SKIN] -= NEUTRAL_LOSS * neutral(seen, scene.skin)
    odds = ground.mask_odds(foreground, resize(limbs, size), 2 * anatomy.width_px)
    solid = ground.person_share(fine, odds, ground.ground_likelihood(landscape, seen), prior, resize(collar, size), appearance)
    prior, like = with_locks(prior, like, hung)
    posterior = torch.softmax(prior.log() + like, 1) * solid[:, None]
    guide = as_guide(rgb)
    person = guided(guide, resize(guide_coefficients(halve(guide), halve(posterior), GUIDE_RADIUS_PX, GUIDE_EPSILON), size))
    probabilities = torch.cat((1 - person.sum(1, keepdim=True), person), 1).clamp_min_(LEAST)
    probabilities = probabilities / probabilities.sum(1, keepdim=True)
    one_piece = is_one_piece(waist, ends.hems, anatomy, halve(solid))
    probabilities = _one_garment(probabilities, one_piece)
    sure = certainty(posterior, probabilities, like, one_piece)
    probabilities = clean(mean_field(probabilities, seen), read_zones(anatomy), foreground, hung)
    return Parsed(probabilities, edge_lines(probabilities, rgb), sure, waist.gain, one_piece)


def _informed(like: Tensor, said: Tensor | None) -> Tensor:
    """Log likelihoods (B, 5, h, w) with a segmenter's word, if there is one."""
    return like if said is None else like + said


def _one_garment(probabilities: Tensor, one_piece: Tensor) -> Tensor:
    """(B, 6, h, w) with the lower garment given to the upper where somebody (B,) wears a dress."""
    moved = probabilities[:, Label.LOWER] * one_piece[:, None, None]
    probabilities[:, Label.UPPER] += moved
    probabilities[:, Label.LOWER] -= moved * (1 - LEAST)
    return probabilities


def read_waist(scene: Scene, a: Anatomy, words: Tensor) -> tuple[Waist, Tensor]:
    """The waist line, and whether (B,) the chest has the colour of skin; `words` as `cuts.waist_words` makes them."""
    arms = torch.minimum(a.arms[0].radius, a.arms[1].radius)
    hands = torch.maximum(a.arms[0].end, a.arms[1].end)
    alike = skin_share(scene.coarse)
    chest = scene.inner * (a.across.abs() < 0.4) * (a.along > 0.25) * (a.along < 0.7) * (arms > 1.1)
    area = chest.sum((1, 2))
    skin_top = (area > FEWEST_CHEST_PX) & ((alike * chest).sum((1, 2)) > SKIN_TOP * area)
    cloth = scene.inner * (arms > 1.1) * (hands < 0.4)
    return find_waist(words, a, cloth * (skin_top[:, None, None] | (alike < 0.6))), skin_top


def read_ends(scene: Scene, a: Anatomy, like: Tensor, waist: Tensor) -> Ends:
    """Where sleeves and trouser legs end, by skin against cloth (B, 5, h, w) log likelihoods; `waist` (B,)."""
    hands = torch.maximum(a.arms[0].end, a.arms[1].end)
    above = a.along > waist[:, None, None]
    cloth = torch.where(above, like[:, UPPER], torch.maximum(like[:, UPPER], like[:, LOWER]))
    bare_arm = like[:, SKIN] - torch.maximum(cloth, like[:, HAIR])
    below = scene.inner * ~above * (hands < 0.4)
    left, right = (find_end(arm, bare_arm, (arm.radius < ARM_CORE) * scene.inner, 0.0, 0.0) for arm in a.arms)
    bare_leg = like[:, SKIN] - like[:, LOWER]
    left_hem, right_hem = (find_end(leg, bare_leg, (leg.radius < LEG_CORE) * below, -0.3, HEM_RELUCTANCE) for leg in a.legs)
    return Ends(waist, (left, right), (left_hem, right_hem))
