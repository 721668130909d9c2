"""Plots of one look, as PNG, without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK: Final = "#28323c"
GOOD: Final = "#2a7f7a"
BAD: Final = "#b5483a"
OTHERS: Final = ("#c9973f", "#6f7fa8", "#8c6a8f")
COLOURS: Final = (GOOD, BAD, *OTHERS, INK)
PANEL_INCHES: Final = (5.6, 3.7)
"""(width, height) of one panel."""
DPI: Final = 100


def figure(rows: int, columns: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of rows × columns panels, row by row. A single panel is twice as wide."""
    width, height = PANEL_INCHES
    made = Figure((width * max(2, columns), height * rows + 0.5), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    made.suptitle(title, color=INK, fontsize=12)
    panels = [made.add_subplot(rows, columns, k + 1) for k in range(rows * columns)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#d9dde0", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=8)
    return made, panels


def save(made: Figure, path: Path) -> None:
    """Without the date and versions that PNGs may hold: equal numbers give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, metadata={"Software": None})
