"""The person parse: from photo, pose and person masks to background, hair, skin, upper, lower and other.

    body prior × colour likelihood → posterior → (models refitted, once more) → guided filter → mean field → clean-up → full size

No network runs here: where a body part may be comes from the pose, what it looks like from this photo alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.person.parsing import ground
from models.person.parsing.anatomy import Anatomy, read_anatomy
from models.person.parsing.appearance import first_look, likelihoods, second_look, skin_share
from models.person.parsing.cleaning import clean, without_specks
from models.person.parsing.cuts import Waist, find_end, find_waist, is_one_piece
from models.person.parsing.fields import blur, choose_frame, into_frame, landmarks_in_frame, picture_tensor
from models.person.parsing.priors import HAIR, LOWER, SKIN, UPPER, Ends, body_prior
from models.person.parsing.scene import Scene, look
from models.person.parsing.smooth import guided, mean_field
from models.person.parsing.upsample import MIDDLE, SCALE, best_label, to_photo
from models.types import FloatArray, Label, Notice, PersonParse, Picture, Pose

LOOKS = 2
"""Rounds of models and parse; a third costs hair and skin."""
ROUGH_BLUR_PX = 1.0
"""The first round only teaches the second: a blur does."""
GUIDE_RADIUS_PX, GUIDE_EPSILON = 4, 9.2e-4
ARM_CORE, LEG_CORE = 0.75, 0.7
"""Sleeve ends and hems are sought this far inside a limb (1 is its outline)."""
HEM_RELUCTANCE = 2.0
"""Nats against a hem in the first three slices of the leg: that is the hip."""
SKIN_TOP = 0.6
"""If so much of the chest has the colour of skin, the garment has it too (or there is none)."""
ONE_PIECE = Notice("one-piece", "The wearer's top and skirt look like one piece and are parsed as the upper garment.")


def parse_person(photo: Picture, pose: Pose, pose_mask: FloatArray, selfie_mask: FloatArray) -> PersonParse:
    """Parses one person.

    `photo` (H, W, 3); `pose` in its pixels, landmarks may lie outside; `pose_mask` and `selfie_mask` (H, W) 0..1. Never raises for
    a body that is cut off: classes without evidence stay empty. The same input gives the same parse.
    """
    person = np.clip(np.nan_to_num(0.5 * pose_mask + 0.5 * selfie_mask), 0, 1).astype(np.float32)
    frame = choose_frame(pose, person)
    picture = picture_tensor(photo)
    rgb = into_frame(picture, frame)
    foreground = into_frame(torch.from_numpy(person)[None], frame)[0].clamp(0, 1)
    anatomy = read_anatomy(landmarks_in_frame(pose, frame), pose.visibility, frame.height, frame.width)
    small, sure, waist, one_piece = parse_frame(rgb, foreground, anatomy)
    full = to_photo(small, rgb, picture, frame)
    return PersonParse(
        probabilities=full.numpy(),
        labels=without_specks(best_label(full).numpy(), np.s_[frame.top : frame.bottom, frame.left : frame.right]),
        certainty=sure,
        waist_gain=waist.gain,
        notices=(ONE_PIECE,) if one_piece else (),
    )


def parse_frame(rgb: Tensor, foreground: Tensor, anatomy: Anatomy) -> tuple[Tensor, float, Waist, bool]:
    """`rgb` (3, h, w) 0..255 and the person mask (h, w) -> probabilities (6, h, w), certainty, waist, whether it is one piece."""
    scene = look(rgb, foreground, anatomy)
    waist, skin_coloured_top = read_waist(scene, anatomy)
    behind = ground.ground_likelihood(scene, anatomy.width_px)
    odds = ground.mask_odds(foreground, anatomy)
    appearance = first_look(scene, anatomy, waist.along, skin_coloured_top=skin_coloured_top)
    for turn in range(LOOKS):
        like = likelihoods(scene, anatomy, appearance)
        ends = read_ends(scene, anatomy, like, waist.along)
        prior = body_prior(anatomy, ends)
        solid = ground.person_share(scene, odds, behind, prior, appearance)
        posterior = torch.softmax(prior.log() + like, 0)
        probabilities = torch.cat(((1 - solid)[None], posterior * solid))
        if turn < LOOKS - 1:
            appearance = second_look(scene, anatomy, blur(probabilities, ROUGH_BLUR_PX)[1:])
    person = guided((rgb - MIDDLE) * SCALE, probabilities[1:], GUIDE_RADIUS_PX, GUIDE_EPSILON)
    probabilities = torch.cat((1 - person.sum(0, keepdim=True), person)).clamp_min(1e-5)
    probabilities = probabilities / probabilities.sum(0)
    one_piece = is_one_piece(waist, ends.hems, anatomy, solid)
    if one_piece:
        probabilities[Label.UPPER] += probabilities[Label.LOWER]
        probabilities[Label.LOWER] = 1e-5
    # before the mean field, which makes every pixel sure of what its neighbours say
    sure = certainty(probabilities)
    return clean(mean_field(probabilities, scene.seen), anatomy, foreground), sure, waist, one_piece


def read_waist(scene: Scene, a: Anatomy) -> tuple[Waist, bool]:
    """The waist line, and whether the chest has the colour of skin."""
    arms = torch.minimum(a.arms[0].radius, a.arms[1].radius)
    hands = torch.maximum(a.arms[0].end, a.arms[1].end)
    alike = skin_share(scene)
    chest = scene.inner * (a.across.abs() < 0.4) * (a.along > 0.25) * (a.along < 0.7) * (arms > 1.1)
    skin_top = float(chest.sum()) > 20 and float((alike * chest).sum() / chest.sum()) > SKIN_TOP
    cloth = scene.inner * (arms > 1.1) * (hands < 0.4)
    return find_waist(scene.lab, a, cloth if skin_top else cloth * (alike < 0.6)), skin_top


def read_ends(scene: Scene, a: Anatomy, like: Tensor, waist: float) -> Ends:
    """Where sleeves and trouser legs end, by skin against cloth (5, h, w) log likelihoods."""
    hands = torch.maximum(a.arms[0].end, a.arms[1].end)
    cloth = torch.where(a.along > waist, like[UPPER], torch.maximum(like[UPPER], like[LOWER]))
    bare_arm = like[SKIN] - torch.maximum(cloth, like[HAIR])
    below = scene.inner * (a.along < waist) * (hands < 0.4)
    left, right = (find_end(arm, bare_arm, (arm.radius < ARM_CORE) * scene.inner, 0.0, 0.0) for arm in a.arms)
    bare_leg = like[SKIN] - like[LOWER]
    left_hem, right_hem = (find_end(leg, bare_leg, (leg.radius < LEG_CORE) * below, -0.3, HEM_RELUCTANCE) for leg in a.legs)
    return Ends(waist, (left, right), (left_hem, right_hem))


def certainty(probabilities: Tensor) -> float:
    """Mean margin 0..1 between the best two of (6, h, w) over the person; 0 where there is none."""
    best = probabilities.topk(2, 0).values
    inside = (probabilities[Label.BACKGROUND] < 0.5).to(best)
    return float(((best[0] - best[1]) * inside).sum() / inside.sum().clamp_min(1))
