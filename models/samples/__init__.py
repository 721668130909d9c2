"""Samples of our own: drawn packshots with known landmarks, and photos of people that may be shown anywhere."""

from models.samples.lower import SkirtStyle, TrouserStyle, draw_skirt, draw_trousers
from models.samples.packshots import packshot, packshot_names, packshots
from models.samples.person import SamplePerson, sample_people, sample_person
from models.samples.studio import Packshot
from models.samples.styles import UpperStyle
from models.samples.upper import draw_dress, draw_upper

__all__ = [
    "Packshot",
    "SamplePerson",
    "SkirtStyle",
    "TrouserStyle",
    "UpperStyle",
    "draw_dress",
    "draw_skirt",
    "draw_trousers",
    "draw_upper",
    "packshot",
    "packshot_names",
    "packshots",
    "sample_people",
    "sample_person",
]
