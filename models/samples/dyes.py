"""Colours and patterns of the sample garments, as functions of the position on the cloth."""

from __future__ import annotations

import cv2
import numpy as np

from models.samples.cloth import Dye, Plane
from models.samples.styles import RGB, PatternStyle

STRIPE_PERIOD = 0.20
CHECK_PERIOD = 0.24
DOT_SPACING = 0.26
DOT_RADIUS = 0.058
EDGE = 0.006
"""Softness of a pattern's edges, garment units: about one pixel, as a screen print has."""


def linear(colour: RGB) -> tuple[float, float, float]:
    """sRGB 0..255 to linear light 0..1."""
    r, g, b = (((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in colour)
    return r, g, b


def encode(light: Plane) -> Plane:
    """Linear light 0..1 to sRGB 0..255, float32."""
    light = np.clip(light, 0, 1)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return np.asarray(coded * 255, np.float32)


def plain(colour: RGB) -> Dye:
    base = np.array(linear(colour), np.float32)

    def dye(_u: Plane, v: Plane) -> Plane:
        return np.broadcast_to(base, (*v.shape, 3))

    return dye


def patterned(pattern: PatternStyle, colour: RGB, accent: RGB, size: float = 1.0) -> Dye:
    """The cloth of a style; `print` is plain cloth, its picture comes from `printed`."""
    if pattern == "stripes":
        return _stripes(colour, accent, STRIPE_PERIOD * size)
    if pattern == "dots":
        return _dots(colour, accent, DOT_SPACING * size, DOT_RADIUS * size)
    if pattern == "checks":
        return _checks(colour, accent, CHECK_PERIOD * size)
    return plain(colour)


def printed(ground: Dye, ink: Plane, box: tuple[float, float, float, float]) -> Dye:
    """`ground` with a picture on it: `ink` (h, w, 4) linear RGB premultiplied by alpha, laid into box (x, y, width, height)."""
    x, y, width, height = box
    ink = np.asarray(cv2.copyMakeBorder(ink, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), np.float32)
    rows, columns = ink.shape[:2]

    def dye(u: Plane, v: Plane) -> Plane:
        at_u = ((u - x) / width * (columns - 2) + 0.5).astype(np.float32)
        at_v = ((v - y) / height * (rows - 2) + 0.5).astype(np.float32)
        drawn = cv2.remap(ink, at_u, at_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(ground(u, v) * (1 - drawn[..., 3:]) + drawn[..., :3], np.float32)

    return dye


def _mix(colour: RGB, accent: RGB, weight: Plane) -> Plane:
    a, b = np.array(linear(colour), np.float32), np.array(linear(accent), np.float32)
    return np.asarray(a + (b - a) * np.clip(weight, 0, 1)[..., None], np.float32)


def _stripes(colour: RGB, accent: RGB, period: float) -> Dye:
    def dye(_u: Plane, v: Plane) -> Plane:
        phase = np.abs((v / period) % 1 - 0.5) * period
        return _mix(colour, accent, (0.20 * period - phase) / EDGE + 0.5)

    return dye


def _dots(colour: RGB, accent: RGB, spacing: float, radius: float) -> Dye:
    def dye(u: Plane, v: Plane) -> Plane:
        row = np.floor(v / spacing + 0.5)
        across = u / spacing + 0.5 * (row % 2)
        du = (across - np.floor(across + 0.5)) * spacing
        dv = v - row * spacing
        return _mix(colour, accent, (radius - np.sqrt(du**2 + dv**2)) / EDGE + 0.5)

    return dye


def _checks(colour: RGB, accent: RGB, period: float) -> Dye:
    """Gingham: a band each way, full colour where they cross, half where only one runs."""

    def band(t: Plane) -> Plane:
        return np.asarray(np.clip((0.25 * period - np.abs((t / period) % 1 - 0.5) * period) / EDGE + 0.5, 0, 1), np.float32)

    def dye(u: Plane, v: Plane) -> Plane:
        return _mix(colour, accent, 0.5 * band(u) + 0.5 * band(v))

    return dye
