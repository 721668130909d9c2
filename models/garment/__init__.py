"""Reading garment pictures: isolation, category, landmarks."""

from models.garment.category import find_category
from models.garment.isolate import Isolated, isolate
from models.garment.read import read_garment_picture

__all__ = ["Isolated", "find_category", "isolate", "read_garment_picture"]
