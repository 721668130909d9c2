"""What is sewn on: ribs, seams, stitches, labels, buttons, collars. All drawn on a `Table` that already holds the cloth."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from models.samples.cloth import SUBPIXEL_BITS, Panel, Plane, Table
from models.samples.curves import Line, lengths, normals, offset, points
from models.samples.dyes import linear, plain
from models.samples.print_art import word
from models.samples.styles import RGB

STITCH_PX, STITCH_GAP_PX = 4.2, 1.9
"""Length of a stitch and of the gap after it, pixels of a 768 by 1024 picture."""
RIB_PERIOD_PX = 4.0
LABEL_HALF_WIDTH, LABEL_HEIGHT = 0.13, 0.085


def stitch(table: Table, line: Line, *, double: float = 0.0, strength: float = 0.20) -> None:
    """A row of stitches; with `double` a second row that many garment units to the right."""
    for row in (line, offset(line, double)) if double else (line,):
        placed = table.pixels(row)
        total = lengths(placed)
        starts = np.arange(0.0, total[-1], (STITCH_PX + STITCH_GAP_PX) * table.unit)
        ends = np.minimum(starts + STITCH_PX * table.unit, total[-1])
        pairs = np.stack([_at(placed, total, starts), _at(placed, total, ends)], axis=1)
        table.shade(_strokes(table, pairs, 0.95 * table.unit), 1 - strength)
        # the needle pulls the cloth down: a soft shadow beside the row
        table.shade(_soft(table, row, 1.6), 1 - 0.35 * strength)


def seam(table: Table, line: Line, strength: float = 0.30) -> None:
    """The groove between two pieces of cloth: dark, with the light catching its lower lip."""
    table.shade(table.stroke(line, 0.9 * table.unit), 1 - strength)
    table.shade(_soft(table, line, 2.2), 1 - 0.5 * strength)
    table.shade(_soft(table, line + points((0.0, 0.014)), 1.4), 1 + 0.18 * strength)


def rib(
    table: Table, edge: Line, width: float, colour: RGB, *, clip: Line | None, brightness: float = 1.0, lift: float = 0.25, seed: int
) -> Plane:
    """A knitted band of `width` to the right of `edge`; returns its cover."""
    lower = offset(edge, width)
    middle = offset(edge, 0.5 * width)
    cover = table.lay(
        Panel(
            np.vstack([edge, lower[::-1]]),
            plain(colour),
            clip=clip,
            brightness=brightness,
            lift=lift,
            seed=seed,
            creases=((middle, 0.5 * width, -0.009),),
        )
    )
    placed, away = table.pixels(edge), normals(table.pixels(edge))
    total = lengths(placed)
    at = np.arange(0.0, total[-1], RIB_PERIOD_PX * table.unit)
    here = _at(placed, total, at)
    turn = np.stack([np.interp(at, total, away[:, 0]), np.interp(at, total, away[:, 1])], axis=1)
    span = width * table.scale
    pairs = np.stack([here + turn * 0.06 * span, here + turn * 0.94 * span], axis=1)
    table.shade(_strokes(table, pairs, 1.3 * table.unit) * cover, 0.87)
    return cover


def label(table: Table, x: float, y: float, ground: RGB, ink: RGB) -> None:
    """The maker's label under the back neck; its middle top is at (x, y)."""
    w, h = LABEL_HALF_WIDTH, LABEL_HEIGHT
    box = points((x - w, y), (x + w, y), (x + w, y + h), (x - w, y + h))
    table.lay(Panel(box, plain(ground), brightness=0.86, lift=0.3, seed=5))
    text, _ = word(0.30 * h)
    text = text - [0.5 * (text[:, 0].min() + text[:, 0].max()), 0.0] + [x, y + 0.66 * h]
    table.tint(table.stroke(text, 0.6 * table.unit), linear(ink), 0.75)


def button(table: Table, x: float, y: float, radius: float, colour: RGB) -> None:
    """A four-hole button with its small shadow."""
    angle = np.linspace(0, 2 * np.pi, 40)
    disc = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + [x, y]
    table.lay(Panel(disc, plain(colour), brightness=1.02, lift=0.5, bulge=0.5 * radius, bulge_radius=0.45 * radius, sheen=0.05))
    for dx in (-0.28, 0.28):
        for dy in (-0.28, 0.28):
            hole = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.15 * radius + [x + dx * radius, y + dy * radius]
            table.shade(table.fill(hole), 0.45)


def _at(line: Line, total: npt.NDArray[np.float64], where: npt.NDArray[np.float64]) -> Line:
    return np.stack([np.interp(where, total, line[:, 0]), np.interp(where, total, line[:, 1])], axis=1)


def _strokes(table: Table, pairs: Line, width_px: float) -> Plane:
    """(H, W) 0..1: many short lines, (N, 2, 2) pixel positions, drawn at once."""
    canvas = np.zeros((table.height, table.width), np.uint8)
    fixed = np.round(pairs * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(canvas, list(fixed), False, 255, max(1, round(width_px)), cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas.astype(np.float32) / np.float32(255)


def _soft(table: Table, line: Line, sigma_768px: float) -> Plane:
    """A blurred line whose middle is about 1."""
    sigma = sigma_768px * table.unit
    drawn = table.stroke(line, 1.6 * sigma)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), 0.7 * sigma), np.float32)
