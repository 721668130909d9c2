"""The person parse: from photo, pose and person masks to background, hair, skin, upper, lower and other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.person.parsing import cleaning, ground
from models.person.parsing.anatomy import Anatomy, read_anatomy, step
from models.person.parsing.colour import Mixture, fit, log_likelihood, marginal, systematic_sample
from models.person.parsing.cuts import Waist, find_end, find_waist
from models.person.parsing.fields import choose_frame, erode, features, into_frame, lab, landmarks_in_frame, picture_tensor
from models.person.parsing.priors import HAIR, LOWER, OTHER, SKIN, UPPER, Ends, body_prior, near_hands
from models.person.parsing.upsample import to_photo
from models.person.parsing.smooth import guided, mean_field
from models.types import FloatArray, LabelMap, PersonParse, Picture, Pose

LIKELIHOOD_FLOOR = -15.0
FLOORS = (-15.0, -17.0, -15.0, -15.0, -13.5)
HAND_CORE = 0.06
USUAL_SKIN = (102.0, 17.0, 20.0, 10.0)
USUAL_SKIN_SPREAD = (700.0, 60.0, 80.0, 90.0)
SKIN_SPREAD = (30.0, 10.0, 14.0, 30.0)
SHADES = (0.75, 0.55)
SHADE_WEIGHT = 0.1
CHEEKS = 0.1
DOUBT = 0.5
SMOOTHEST = 0.8
DARKEST = 0.75
HAND_LIKE = -12.0
HANDS_SHARE = 0.7
FACE_SHARE = 0.4
REFITS = 1
GUIDE_RADIUS, GUIDE_EPSILON = 4, 60.0


def parse_person(photo: Picture, pose: Pose, pose_mask: FloatArray, selfie_mask: FloatArray) -> PersonParse:
    person = np.clip(0.5 * pose_mask + 0.5 * selfie_mask, 0, 1).astype(np.float32)
    frame = choose_frame(pose, person)
    picture = picture_tensor(photo)
    rgb = into_frame(picture, frame)
    foreground = into_frame(torch.from_numpy(person)[None], frame)[0].clamp(0, 1)
    anatomy = read_anatomy(landmarks_in_frame(pose, frame), pose.visibility, frame.height, frame.width)
    small, waist = parse_frame(rgb, foreground, anatomy)
    full = to_photo(small, rgb, picture, frame)
    labels = cleaning.without_specks(full.argmax(0).to(torch.uint8).numpy())
    best = full.topk(2, 0).values
    inside = full[0] < 0.5
    certainty = float((best[0] - best[1])[inside].mean()) if bool(inside.any()) else 0.0
    return PersonParse(full.numpy(), labels, certainty, waist.gain)


def _skin_seen(pixels: Tensor, anatomy: Anatomy, foreground: Tensor) -> Mixture:
    """Skin as the face shows it, widened by the hands where they look like the same skin."""
    seed = ((anatomy.face_depth > 0.1) & (anatomy.head_down > CHEEKS) & (foreground > 0.5)).float().reshape(1, -1)
    # eyes, nostrils and beards are in the face but are no skin
    middle = systematic_sample(pixels[:, :1], seed).median()
    seed = seed * (pixels[:, 0] > DARKEST * middle)
    mean = torch.tensor(USUAL_SKIN, device=pixels.device)
    usual = Mixture(torch.zeros(1, 1), mean.view(1, 1, 4), torch.diag(torch.tensor(USUAL_SKIN_SPREAD)).view(1, 1, 4, 4))
    face = fit(pixels, seed, 3, torch.tensor(SKIN_SPREAD)) if float(seed.sum()) > 12 else usual
    hands = torch.stack([step((HAND_CORE * anatomy.width_px - arm.hand_px) / 1.0) * (arm.visibility > 0.5) for arm in anatomy.arms]).amax(0)
    alike = step(log_likelihood(pixels, _with_shades(face), -24.0)[0] - HAND_LIKE)
    hands = (hands * (foreground > 0.8)).reshape(1, -1) * alike
    share = HANDS_SHARE * seed.sum() / hands.sum().clamp_min(12) if float(seed.sum()) > 12 else 1.0
    both = seed + hands * (share if isinstance(share, float) else share.clamp_max(1.0))
    return fit(pixels, both, 4, torch.tensor(SKIN_SPREAD)) if float(both.sum()) > 12 else usual


def _with_shades(m: Mixture) -> Mixture:
    log_weight, mean, cov = [m.log_weight], [m.mean], [m.covariance]
    for k in SHADES:
        factor = torch.tensor((k, 0.5 + 0.5 * k, 0.5 + 0.5 * k, 1.0))
        log_weight.append(m.log_weight + np.log(SHADE_WEIGHT))
        mean.append(m.mean * factor)
        cov.append(m.covariance)
    return Mixture(torch.cat(log_weight, 1), torch.cat(mean, 1), torch.cat(cov, 1))


def parse_frame(rgb: Tensor, foreground: Tensor, a: Anatomy) -> tuple[Tensor, Waist]:
    height, width = foreground.shape
    lab_picture = lab(rgb)
    seen = features(lab_picture)
    pixels = seen.reshape(4, -1).T.contiguous()
    inner = erode((foreground > 0.6).float(), 1)
    # skin smoother than the face (a leg, a shoulder) is skin all the same: texture speaks only where there is more of it
    face_seed = ((a.face_depth > 0.1) & (a.head_down > CHEEKS) & (foreground > 0.5)).float().reshape(1, -1)
    skin_pixels = torch.cat((pixels[:, :3], pixels[:, 3:].clamp_min(SMOOTHEST * float(systematic_sample(pixels[:, 3:], face_seed).median()))), 1)
    face_skin = _skin_seen(skin_pixels, a, foreground)
    face_like = log_likelihood(skin_pixels, face_skin, -24.0).view(height, width)
    skin_like = step(face_like + 11.5)
    arm_radius = torch.minimum(a.arms[0].radius, a.arms[1].radius)
    hands = torch.maximum(a.arms[0].end, a.arms[1].end)
    chest = inner * (a.across.abs() < 0.4) * (a.along > 0.25) * (a.along < 0.7) * (arm_radius > 1.1)
    skin_top = float(chest.sum()) > 20 and float((skin_like * chest).sum() / chest.sum()) > 0.6
    cloth = inner * (arm_radius > 1.1) * (hands < 0.4)
    waist = find_waist(lab_picture, a, cloth if skin_top else cloth * (skin_like < 0.6))
    b = waist.along
    not_skin = 1 - skin_like
    free = inner * (arm_radius > 1.0)
    w_upper = free * (a.across.abs() < 0.5) * (a.along > b + 0.08) * (a.along < 0.85) * (1 - a.neck) * (a.head_down > 2.2) * (1.0 if skin_top else not_skin)
    w_lower = free * (a.across.abs() < 0.65) * (a.along < b - 0.06) * (a.along > b - 0.75) * (1 - hands) * not_skin * (1 - near_hands(a))
    w_hair = inner * torch.maximum(a.skull, 0.3 * a.side_hair * (a.head_down < 1.5)) * (1 - a.face) * (a.head_down < 0.9)
    w_hair = w_hair * (1 - 0.95 * skin_like) * torch.where(a.head_down < -0.8, 1.0, 0.4) + 0.5 * inner * a.flank * (a.head_down < 2.6)
    flat = torch.stack((w_hair, w_upper, w_lower)).reshape(3, -1)
    hair_m, cloth_m, skin_m = fit(pixels, flat[:1], 2), fit(pixels, flat[1:], 4), face_skin
    deep = a.core_face
    face_skin_level = (face_skin.log_weight.exp() * face_skin.mean[..., 0]).sum()
    w_other = inner * torch.maximum(a.legs[0].end * (a.legs[0].visibility > 0.4), a.legs[1].end * (a.legs[1].visibility > 0.4)) * (1 - skin_like)
    other_m = fit(pixels, w_other.reshape(1, -1), 3)
    like_ground = ground.ground_likelihood(seen[:3], foreground, a.width_px, LIKELIHOOD_FLOOR)
    for turn in range(1 + REFITS):
        like_hair = log_likelihood(pixels, hair_m, FLOORS[HAIR]).view(height, width)
        like_upper, like_lower = log_likelihood(pixels, cloth_m, FLOORS[UPPER]).view(2, height, width)
        like_skin = log_likelihood(skin_pixels, _with_shades(skin_m), FLOORS[SKIN]).view(height, width)
        if turn:
            like_skin = torch.maximum(like_skin, face_like - 0.7)
        cap = 30 - 26 * a.neck
        cap = torch.minimum(cap, 30 - 27 * a.face)
        cap = torch.minimum(cap, 30 - 30 * deep)
        like_hair = torch.minimum(like_hair, like_skin + cap)
        garment_here = torch.where(a.along > b, like_upper, torch.maximum(like_upper, like_lower))
        sleeves = tuple(find_end(arm, like_skin - torch.maximum(garment_here, like_hair), (arm.radius < 0.75) * inner, 0.0, 0.0) for arm in a.arms)
        below = inner * (a.along < b) * (hands < 0.4)
        hems = tuple(find_end(leg, like_skin - like_lower, (leg.radius < 0.7) * below, -0.3, 2.0) for leg in a.legs)
        prior = body_prior(a, Ends(b, sleeves, hems))
        like = torch.stack((like_hair, like_skin, like_upper, like_lower, log_likelihood(pixels, other_m, FLOORS[OTHER]).view(height, width)))
        posterior = torch.softmax(prior.log() + like, 0)
        like3 = torch.cat([log_likelihood(pixels[:, :3], marginal(m, 3, ground.NARROWED), LIKELIHOOD_FLOOR) for m in (hair_m, _with_shades(skin_m), cloth_m)]).view(4, height, width)
        like_person = torch.logsumexp(prior[:4].clamp_min(ground.LEAST_PRIOR).log() + like3, 0)
        odds = ground.prior(foreground, a.width_px) + ground.BODY_WEIGHT * ground.body(a) + ground.EVIDENCE_WEIGHT * (like_person - like_ground).clamp(-ground.EVIDENCE_AGAINST, ground.EVIDENCE_FOR)
        solid = torch.sigmoid(odds).clamp(0.002, 0.998)
        q = torch.cat(((1 - solid)[None], posterior * solid))
        q = guided(rgb, q, GUIDE_RADIUS, GUIDE_EPSILON).clamp_min(1e-5)
        q = q / q.sum(0)
        if turn < REFITS:
            w = q[1:] ** 2 * inner
            w_hair = w[HAIR] * (1 - 0.9 * a.face) * (1 - 0.9 * a.neck)
            doubtful = torch.maximum(a.face * (1 - deep), a.neck * a.neck_side)
            w_skin = torch.maximum(w[SKIN] * (1 - DOUBT * doubtful), FACE_SHARE * deep * inner * (seen[0] > DARKEST * face_skin_level))
            hair_m = fit(pixels, w_hair.reshape(1, -1), 2)
            cloth_m = fit(pixels, torch.stack((w[UPPER], w[LOWER])).reshape(2, -1), 4)
            other_m = fit(pixels, torch.maximum(w[OTHER], w_other).reshape(1, -1), 3)
            skin_m = fit(skin_pixels, w_skin.reshape(1, -1), 3)
    q = mean_field(q, seen)
    return cleaning.clean(q, a), waist
