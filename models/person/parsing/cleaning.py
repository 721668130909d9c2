"""What no body has leaves the parse: islands, hair away from the head, skin in the middle of a garment, pinholes.

Each connected component is judged by sums over its pixels, all components at once; one that cannot be is given to the label around
it, and keeps its margin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.person.parsing.anatomy import Anatomy
from models.person.parsing.kernels import best_label, components, dilate, double, erode, on_host
from models.types import Label

SMALLEST_SHARE = (0.0, 0.02, 0.0, 0.02, 0.02, 0.0)
"""An island under this share of its label's largest part goes; in the order of `Label`."""
SMALLEST_PX = (10.0, 20.0, 14.0, 20.0, 20.0, 30.0)
"""... and so does one under this many working pixels."""
TEMPLES = 0.3
"""`head_down` above which hair grows."""
ON_SKULL_PX = 8
"""Hair needs so many pixels of its component on the skull."""
BESIDE_NECK, BRAID_REACH = 0.5, 1.6
"""A braid or a tail that shows behind the neck, apart from the skull, has at least this mean of `flank` no farther than this from
the middle (`head_across`); farther out it is a stripe on a shoulder."""
LOCK_GAP_PX, LOCK_SHARE = 4, 0.6
"""The tip of a lock may be so far from the hair that grows on the skull, if so much of it lies below hair."""
HIP = 0.25
"""The legs' zone begins here along the thigh: above it is the trunk."""
AMID = 0.9
"""Skin is in the middle of a garment when so much of its border is."""
BARE_SHARE = 0.15
"""Share of a skin component in or at the face, the neck or a limb; less is a skin-coloured print."""
THICK_PX = 2
"""A held thing or a shoe is thicker than twice this, in working pixels, and touches a hand or a foot: else it is trim."""
PINHOLE = 0.5
"""A hole that the mask covers more than this was made by colour alone, and is filled."""


@dataclass(frozen=True, slots=True)
class Zones:
    """Where a component may be, (B, h, w) of the working frame."""

    skull: Tensor
    """0/1: hair grows here."""
    beside_neck: Tensor
    """0..1: braids and tails show here."""
    bare: Tensor
    """0/1: skin may show here without a neckline: face, neck, limbs."""
    ends: Tensor
    """0/1: hands and feet."""


def read_zones(a: Anatomy) -> Zones:
    """From fields at half the working frame's resolution."""
    skull = (a.skull > 0.5) & (a.face < 0.5) & (a.head_down < TEMPLES)
    bare = (torch.minimum(a.arms[0].radius, a.arms[1].radius) < 1) | (a.face > 0.5) | (a.neck > 0.5)
    for leg in a.legs:
        bare |= (leg.radius < 1) & (leg.course > HIP)
    ends = torch.stack([limb.end for limb in (*a.arms, *a.legs)]).amax(0) > 0.5
    beside = a.flank * (a.head_across.abs() < BRAID_REACH)
    return Zones(double(skull.float()), double(beside), double(bare.float()), double(ends.float()))


class _Parts:
    """The components of a label map (B, h, w); tables (P,) have one row a component, on a GPU as many rows as pixels: to count them
    would make it wait.
    """

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels
        self.ids = components(labels).flatten()
        self.count = int(self.ids.max()) + 1 if on_host(labels) else self.ids.numel()
        self.area = self.sum(torch.ones_like(labels, dtype=torch.float32))
        self.label = self.ids.new_zeros(self.count).scatter_(0, self.ids, labels.flatten())

    def sum(self, values: Tensor) -> Tensor:
        """Sums of (B, h, w) over each component -> (P,)."""
        flat = values.float().flatten()
        return flat.new_zeros(self.count).index_add_(0, self.ids, flat)

    def spread(self, table: Tensor) -> Tensor:
        """A table (P,) -> (B, h, w)."""
        return table[self.ids].view(self.labels.shape)

    def surroundings(self) -> Tensor:
        """(6, P) how many neighbouring pixels of each label a component has."""
        classes = len(Label)
        table = torch.zeros(self.count * classes, device=self.ids.device)
        ids = self.ids.view(self.labels.shape)
        for axis in (1, 2):
            size = ids.shape[axis] - 1
            here, there = ids.narrow(axis, 0, size), ids.narrow(axis, 1, size)
            one, other = self.labels.narrow(axis, 0, size), self.labels.narrow(axis, 1, size)
            here, there, one, other = (values.flatten() for values in (here, there, one, other))
            differ = one != other
            if on_host(differ):  # few do
                at = differ.nonzero()[:, 0]
                here, there, one, other, differ = (values[at] for values in (here, there, one, other, differ))
            differ = differ.float()
            table.index_add_(0, here + other * self.count, differ)
            table.index_add_(0, there + one * self.count, differ)
        return table.view(classes, -1)


def _swap(q: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """Probabilities (B, 6, h, w) with those of the labels `old` and `new` (B, h, w) exchanged."""
    old, new = old[:, None], new[:, None]
    before, after = q.gather(1, old), q.gather(1, new)
    return q.scatter(1, old, after).scatter_(1, new, before)


def clean(probabilities: Tensor, zones: Zones, foreground: Tensor, hung: Tensor) -> Tensor:
    """(B, 6, h, w) -> (B, 6, h, w) whose argmax is a possible person; `foreground` (B, h, w) is the person mask, `hung` (B, h, w) where
    locks may hang.
    """
    q = _without_impossible(probabilities, zones, foreground, hung)
    return without_islands(q)


def _without_impossible(q: Tensor, zones: Zones, foreground: Tensor, hung: Tensor) -> Tensor:
    labels = best_label(q.transpose(0, 1)).long()
    parts = _Parts(labels)
    around = parts.surroundings()
    most = best_label(around).long()
    upper, lower, ring = around[Label.UPPER], around[Label.LOWER], around.sum(0)
    loose = (parts.sum(zones.skull) < ON_SKULL_PX) & (parts.sum(zones.beside_neck) <= BESIDE_NECK * parts.area)
    # a midriff lies between two garments
    amid = (torch.maximum(upper, lower) > AMID * ring) & (torch.minimum(upper, lower) == 0)
    printed = amid & (parts.sum(zones.bare) < BARE_SHARE * parts.area)
    pinhole = (parts.sum(foreground) > PINHOLE * parts.area) & (ring > 0)
    thing = (labels == Label.OTHER).float()
    thin = parts.sum(erode(thing, THICK_PX)) == 0
    trim = (thin | (parts.sum(dilate(zones.ends, 2 * THICK_PX)) == 0)) & (ring > 0)
    gives = (pinhole & (parts.label == Label.BACKGROUND)) | (printed & (parts.label == Label.SKIN)) | (trim & (parts.label == Label.OTHER))
    target = torch.where(parts.spread(gives), parts.spread(most), labels)
    q = _swap(q, labels, target)
    rooted = (labels == Label.HAIR) & ~parts.spread(loose)
    near = dilate(rooted.float(), LOCK_GAP_PX)
    loose &= (parts.sum(near) == 0) | (parts.sum(hung) < LOCK_SHARE * parts.area)
    if on_host(q) and not bool((loose & (parts.label == Label.HAIR)).any()):
        return q / q.sum(1, keepdim=True).clamp_min(1e-9)
    # loose hair becomes what it would be without hair, and no ground where the mask knows better
    bald = parts.spread(loose) & (labels == Label.HAIR)
    others = q[:, Label.SKIN :]
    freed = q[:, Label.HAIR] * bald
    gain = 1 + freed / others.sum(1).clamp_min(1e-6) * (foreground > PINHOLE)
    keep = 1 - bald.to(q)
    q = torch.cat((q[:, : Label.HAIR], (q[:, Label.HAIR] * keep)[:, None], others * gain[:, None]), 1)
    return q / q.sum(1, keepdim=True).clamp_min(1e-9)


def without_islands(q: Tensor) -> Tensor:
    """Gives what is too small to be a part to the label around it."""
    labels = best_label(q.transpose(0, 1)).long()
    parts = _Parts(labels)
    area = parts.spread(parts.area)
    largest = torch.stack([torch.where(labels == label, area, torch.zeros_like(area)).flatten(1).amax(1) for label in Label], 1)
    largest = largest.gather(1, labels.flatten(1)).view(labels.shape)
    smallest_px, smallest_share = (torch.tensor(values, device=q.device)[labels] for values in (SMALLEST_PX, SMALLEST_SHARE))
    island = (area < torch.maximum(smallest_px, smallest_share * largest)) & (area < largest)
    around = parts.spread(best_label(parts.surroundings()).long())
    return _swap(q, labels, torch.where(island, around, labels))
