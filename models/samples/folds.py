"""Where cloth folds: from the armpits, down from the chest, at the waist, across a sleeve. Seeded, never twice alike."""

from __future__ import annotations

from math import cos, sin

import numpy as np

from models.samples.cloth import Fold
from models.samples.curves import Line, resample
from models.samples.cut import SleeveCut, UpperCut

FOLD_HEIGHT = 0.017
"""Height of an ordinary fold, garment units: with its width it gives slopes of about one in five."""


def torso_folds(cut: UpperCut, crumple: float, rng: np.random.Generator) -> list[Fold]:
    """Folds of the front: radiating from the armpits, hanging towards the hem, drawn in at the waist."""
    height = FOLD_HEIGHT * crumple
    folds = []
    for side, sign in ((0, -1.0), (1, 1.0)):
        armpit, seam = cut.armpit[side], cut.sides[side]
        half = abs(float(armpit[0]))
        for angle in np.array([0.35, 0.75, 1.1, 1.38]) + rng.normal(0, 0.07, 4):
            reach = float(rng.uniform(0.45, 0.9)) * half
            start = armpit + np.array([-sign * 0.05, 0.02 + 0.03 * rng.standard_normal()])
            end = start + reach * np.array([-sign * cos(angle), sin(angle)])
            folds.append(fold(start, end, rng.uniform(0.035, 0.055), height * rng.uniform(0.7, 1.3), rng, fade_in=0.25, fade_out=0.8))
        shoulder, neck = cut.shoulder[side], cut.neck[side]
        for part in rng.uniform(0.25, 0.95, 2):
            start = neck + part * (shoulder - neck) + np.array([0, 0.06])
            end = armpit + np.array([-sign * rng.uniform(0.22, 0.5) * half, rng.uniform(-0.20, 0.12)])
            folds.append(fold(start, end, rng.uniform(0.04, 0.06), 0.6 * height * rng.uniform(0.6, 1.2), rng, fade_in=0.5))
        for _ in range(3):
            start = resample(seam, 50)[int(rng.integers(12, 34))] - np.array([sign * 0.03, 0.0])
            end = start + np.array([-sign * rng.uniform(0.3, 0.7) * half, rng.uniform(-0.10, 0.22)])
            folds.append(fold(start, end, rng.uniform(0.03, 0.05), 0.7 * height * rng.uniform(0.5, 1.2), rng, fade_in=0.2, fade_out=0.8))
    folds += hanging_folds(cut.hem, float(cut.armpit[:, 1].mean()), 9, height, rng, depth=1.7)
    folds += _creases(cut, height, rng)
    return folds


def _creases(cut: UpperCut, height: float, rng: np.random.Generator) -> list[Fold]:
    """Narrow short creases, as cloth keeps from being folded and handled; mostly in the lower half and at the sides."""
    folds = []
    top, bottom = float(cut.armpit[:, 1].mean()), float(cut.hem[:, 1].mean())
    for _ in range(9):
        y = top + (bottom - top) * float(rng.beta(2.2, 1.6))
        x = float(np.interp(y, cut.sides[1][:, 1], cut.sides[1][:, 0])) * float(rng.choice([-1, 1])) * float(rng.beta(2.4, 1.2))
        angle = float(rng.normal(0.9, 0.5)) * (1 if x < 0 else -1)
        reach = float(rng.uniform(0.22, 0.6))
        end = (x + reach * sin(angle), y + reach * cos(angle))
        folds.append(fold((x, y), end, rng.uniform(0.014, 0.024), 0.42 * height * rng.uniform(0.5, 1.1), rng, bend=0.12))
    return folds


def hanging_folds(hem: Line, top: float, count: int, height: float, rng: np.random.Generator, depth: float = 1.0) -> list[Fold]:
    """Folds that hang to the hem and grow broader downwards; `top` is where the first may begin."""
    folds = []
    bottom = float(hem[:, 1].mean())
    for place in (np.arange(count) + rng.uniform(0.15, 0.85, count)) / count:
        x = float(hem[0, 0] + place * (hem[1, 0] - hem[0, 0]))
        from_y = top + (bottom - top) * float(rng.uniform(0.12, 0.55))
        to_y = bottom + 0.25 if rng.random() < 0.6 else from_y + (bottom - from_y) * float(rng.uniform(0.6, 0.9))
        lean = 0.80 + 0.08 * float(rng.standard_normal())
        ridge = height * depth * float(rng.uniform(0.6, 1.3)) * (1 if rng.random() < 0.7 else -0.7)
        fade_out = 0.02 if to_y > bottom else 0.6
        folds.append(fold((x * lean, from_y), (x, to_y), rng.uniform(0.05, 0.085), ridge, rng, fade_in=0.9, fade_out=fade_out, bend=0.02))
    return folds


def sleeve_folds(cut: SleeveCut, crumple: float, rng: np.random.Generator) -> list[Fold]:
    """Folds of a sleeve: out of the armpit, then across, in a zigzag about the elbow and above the cuff."""
    height = FOLD_HEIGHT * crumple
    outer, inner = resample(cut.outer, 101), resample(cut.inner, 101)
    long = float(np.hypot(*(inner[-1] - inner[0]))) > 0.9
    folds = []
    for part in (0.20, 0.34, 0.50) if long else (0.28, 0.52, 0.78):
        start = inner[0] + 0.04 * (outer[20] - inner[0])
        end = outer[int(100 * (part + 0.04 * rng.standard_normal()) * (0.6 if long else 1.0))]
        folds.append(fold(start, start + 0.8 * (end - start), rng.uniform(0.03, 0.045), height * rng.uniform(0.7, 1.2), rng, fade_in=0.2))
    if long:
        for step, place in enumerate(np.linspace(0.36, 0.93, 9) + rng.normal(0, 0.015, 9)):
            a, b = inner[int(100 * place)], outer[int(100 * min(place + (0.07 if step % 2 else -0.05), 0.99))]
            if step % 2:
                a, b = b, a
            strength = 1.1 if 0.45 < place < 0.65 or place > 0.85 else 0.6
            end = a + rng.uniform(0.6, 1.0) * (b - a)
            folds.append(fold(a, end, rng.uniform(0.022, 0.034), height * strength * rng.uniform(0.5, 1.1), rng, fade_in=0.25))
        for place in (0.30, 0.62):
            a = 0.5 * (outer[int(100 * place)] + inner[int(100 * place)])
            b = 0.5 * (outer[int(100 * place) + 26] + inner[int(100 * place) + 26])
            folds.append(fold(a, b, 0.045, 0.8 * height, rng))
    return folds


def fold(
    start: Line | tuple[float, float],
    end: Line | tuple[float, float],
    width: float,
    height: float,
    rng: np.random.Generator,
    *,
    fade_in: float = 0.45,
    fade_out: float = 0.6,
    bend: float = 0.05,
) -> Fold:
    """One fold with a seeded bow and skew; `fade_in` and `fade_out` as in `Fold`."""
    return Fold(
        (float(start[0]), float(start[1])),
        (float(end[0]), float(end[1])),
        float(width),
        float(height),
        bend=float(rng.normal(0, bend)),
        skew=float(rng.uniform(-0.5, 0.5)),
        fade_in=fade_in,
        fade_out=fade_out,
    )
