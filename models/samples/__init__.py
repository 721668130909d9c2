"""Samples of our own: drawn packshots with known landmarks."""

from models.samples.lower import TrouserStyle, draw_trousers
from models.samples.packshots import packshot, packshot_names, packshots
from models.samples.studio import Packshot
from models.samples.styles import UpperStyle
from models.samples.upper import draw_dress, draw_upper

__all__ = ["Packshot", "TrouserStyle", "UpperStyle", "draw_dress", "draw_trousers", "draw_upper", "packshot", "packshot_names", "packshots"]
