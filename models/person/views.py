"""Ways to look at a photo: a rectangle of it, lit so that a network trained on daylight sees something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from models.types import FloatArray, Picture

DIM_BELOW = 0.30  # mean luma 0..1: under it (a room by night; a photo at gamma 2.5) masks lose cloth
LIT_MEAN = 0.45  # mean luma after brightening
STEEPEST_GAMMA = 0.25  # beyond it noise becomes texture
LARGEST_LOOK_PX = 1280  # the networks see 256 x 256: more only costs time
LOOK_WIDTH_STEP = 4  # MediaPipe 0.10.33 aborts the process when it hands out a float mask whose width is no multiple of 4
SMALLEST_LOOK_PX = 512  # a smaller crop is enlarged to this, so that the masks come back smooth
PAD = 0.35  # of the sides: people who fill the frame are found once there is ground around them
CLOSER_MARGIN = 0.25  # of the person's size, on each side: the landmark graph wants 1.25 x
TILE_SIDES = (0.6, 0.35, 0.2)  # of the longer side; 0.2 finds a person of 160 px in a photo of 2,048
TILE_STEP = 0.5  # of a tile: everyone is whole in one of them
SMALLEST_TILE_PX = 240  # a person of 160 px with ground around


@dataclass(frozen=True, slots=True)
class View:
    """The rectangle left..left+width, top..top+height of a photo (px, may reach outside: edges are repeated), seen through a gamma."""

    left: int
    top: int
    width: int
    height: int
    gamma: float = 1.0

    @property
    def scale_x(self) -> float:
        """Photo px per unit of MediaPipe's x (and z)."""
        return float(self.width)

    def look(self, photo: Picture) -> Picture:
        """What the networks are shown: (h, w, 3), longer side about SMALLEST_LOOK_PX to LARGEST_LOOK_PX, w a multiple of 4."""
        height, width = photo.shape[:2]
        left, top, right, bottom = (
            max(self.left, 0),
            max(self.top, 0),
            min(self.left + self.width, width),
            min(self.top + self.height, height),
        )
        seen = photo[top:bottom, left:right]
        margins = (top - self.top, self.top + self.height - bottom, left - self.left, self.left + self.width - right)
        scale = min(1.0, LARGEST_LOOK_PX / max(self.width, self.height))
        scale = max(scale, min(4.0, SMALLEST_LOOK_PX / max(self.width, self.height)))
        if any(margins):
            seen = cv2.copyMakeBorder(seen, *margins, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
        size = (LOOK_WIDTH_STEP * max(1, round(self.width * scale / LOOK_WIDTH_STEP)), max(1, round(self.height * scale)))
        if size != (self.width, self.height):
            seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.uint8, copy=False)
        if self.gamma != 1.0:
            curve = np.round(255 * (np.arange(256) / 255) ** self.gamma).astype(np.uint8)
            seen = curve[seen]
        return np.ascontiguousarray(seen)

    def to_photo(self, points: FloatArray) -> FloatArray:
        """(N, 2) from MediaPipe's 0..1 of the view (0 and 1 are its borders) to px of the photo (centres at whole numbers)."""
        out: FloatArray = points * np.array([self.width, self.height], np.float32) + np.array([self.left - 0.5, self.top - 0.5], np.float32)
        return out

    def mask_to_photo(self, mask: FloatArray, shape: tuple[int, int]) -> FloatArray:
        """(H, W) 0..1 of the photo's `shape` from the view's (h, w); 0 outside the view."""
        if mask.shape != (self.height, self.width):
            mask = cv2.resize(mask, (self.width, self.height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
        height, width = shape
        left, top, right, bottom = (
            max(self.left, 0),
            max(self.top, 0),
            min(self.left + self.width, width),
            min(self.top + self.height, height),
        )
        seen = mask[top - self.top : bottom - self.top, left - self.left : right - self.left].clip(0, 1)
        if seen.shape == shape:
            return seen
        out = np.zeros(shape, np.float32)
        out[top:bottom, left:right] = seen
        return out


def dim(photo: Picture) -> float:
    """The gamma under which a dark photo looks like daylight; 1.0 for all others."""
    height, width = photo.shape[:2]
    small = cv2.resize(photo, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    luma = float(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).mean()) / 255
    if luma >= DIM_BELOW:
        return 1.0
    return float(np.clip(np.log(LIT_MEAN) / np.log(max(luma, 1e-3)), STEEPEST_GAMMA, 1.0))


def whole(photo: Picture) -> View:
    """The photo as it is, lit where it is dark."""
    return View(0, 0, photo.shape[1], photo.shape[0], dim(photo))


def closer(photo: Picture, box: tuple[float, float, float, float]) -> View:
    """A crop around a person whose visible part is `box` (left, top, right, bottom); it may reach outside the photo."""
    left, top, right, bottom = box
    margin = CLOSER_MARGIN * max(right - left, bottom - top)
    x0, y0, x1, y1 = int(left - margin), int(top - margin), int(right + margin) + 1, int(bottom + margin) + 1
    return View(x0, y0, x1 - x0, y1 - y0, dim(photo[max(y0, 0) : y1, max(x0, 0) : x1]))


def second_looks(photo: Picture) -> Iterator[list[View]]:
    """Where nobody was found: groups of views, to be tried group after group until one shows somebody."""
    height, width = photo.shape[:2]
    first = whole(photo)
    mean_gamma = float(np.clip(first.gamma * 0.6, STEEPEST_GAMMA, 1.0))
    pad_x, pad_y = int(PAD * width), int(PAD * height)
    padded = View(-pad_x, -pad_y, width + 2 * pad_x, height + 2 * pad_y, first.gamma)
    yield [View(0, 0, width, height, mean_gamma)]
    yield [padded]
    yield [View(padded.left, padded.top, padded.width, padded.height, mean_gamma)]
    for share in TILE_SIDES:
        side = int(share * max(height, width))
        if side >= SMALLEST_TILE_PX:
            yield list(_tiles(photo, side))


def _tiles(photo: Picture, side: int) -> Iterator[View]:
    height, width = photo.shape[:2]
    for top in _starts(height, side):
        for left in _starts(width, side):
            tile = View(left, top, min(side, width), min(side, height))
            yield View(tile.left, tile.top, tile.width, tile.height, dim(photo[top : top + tile.height, left : left + tile.width]))


def _starts(length: int, side: int) -> list[int]:
    """Evenly spaced starts of tiles that cover 0..length with an overlap of at least 1 - TILE_STEP."""
    if side >= length:
        return [0]
    count = int(np.ceil((length - side) / (TILE_STEP * side))) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]
