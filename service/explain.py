"""Writes how a picture came about, for people who judge the pictures and for the scores.

    result.png         the try-on, the size of the photo
    parse.png          8-bit labels (models.types.Label)
    garment_mask.png   255 where the garment picture shows garment, the size of that picture
    garment_alpha.png  255 where the result shows the garment
    garment_map.npy    float32 (H, W, 2): the garment pixel (x, y) shown at each photo pixel, NaN elsewhere
    edit_mask.png      255 wherever the result may differ from the photo
    report.json        confidence, timings, landmarks, warnings; or {"error": slug, "detail": sentence, "path": file to blame} alone

Of an outfit the garment files are those of the outermost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.images import encode
from models.interface import Explanation, Fitting, G, P, TryOn
from models.types import LabelMap, Notice


def write_result(
    folder: Path,
    fitting: Fitting[P, G],
    result: TryOn,
    explanation: Explanation | None,
    timings_ms: Mapping[str, float],
    notices: Iterable[Notice] = (),
) -> None:
    """Fills `folder`; without an explanation with result.png and report.json only.

    timings_ms: of the readings; the result's own are added. notices: of decoding; the result tells the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.png").write_bytes(encode(result.picture, "png"))
    report: dict[str, Any] = {
        "confidence": round(float(result.confidence), 4),
        "timings_ms": {stage: round(float(ms), 2) for stage, ms in (*timings_ms.items(), *result.timings_ms.items())},
        "garments": [{"category": g.category.value, "confidence": round(float(g.confidence), 4)} for g in fitting.garments],
        "warnings": [{"code": notice.code, "detail": notice.detail} for notice in dict.fromkeys((*notices, *result.notices))],
    }
    if explanation is not None:
        report["landmarks"] = {name: [[round(float(v), 2) for v in xy] for xy in points] for name, points in explanation.landmarks.items()}
        _write_map(folder / "parse.png", explanation.parse)
        _write_map(folder / "garment_mask.png", explanation.garment_mask)
        _write_map(folder / "garment_alpha.png", explanation.garment_alpha)
        _write_map(folder / "edit_mask.png", np.where(explanation.edit_mask, np.uint8(255), np.uint8(0)))
        np.save(folder / "garment_map.npy", explanation.garment_map.astype(np.float32, copy=False))
    _write_report(folder, report)


def at_picture_size(explanation: Explanation, size: tuple[int, int]) -> Explanation:
    """The explanation in px of a garment picture of `size` (height, width), which may have been read smaller."""
    mask = explanation.garment_mask
    height, width = size
    if mask.shape == size:
        return explanation
    ratio = np.array([width / mask.shape[1], height / mask.shape[0]], np.float32)
    return replace(
        explanation,
        garment_mask=np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)),
        garment_map=(explanation.garment_map + 0.5) * ratio - 0.5,
    )


def write_error(folder: Path, slug: str, detail: str, path: Path | None = None) -> None:
    """A report of what went wrong, alone: what an earlier run left in `folder` is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("result.png", "parse.png", "garment_mask.png", "garment_alpha.png", "garment_map.npy", "edit_mask.png"):
        (folder / name).unlink(missing_ok=True)
    _write_report(folder, {"error": slug, "detail": detail} | ({} if path is None else {"path": str(path)}))


def _write_map(path: Path, labels: LabelMap) -> None:
    Image.fromarray(labels).save(path, compress_level=1)


def _write_report(folder: Path, report: Mapping[str, Any]) -> None:
    lines = (
        f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in report.items()
    )  # a line a key: easy to read and to grep
    (folder / "report.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
