"""The person parse."""

from models.person.parsing.classes import ClassMaps
from models.person.parsing.reader import parse_person

__all__ = ["ClassMaps", "parse_person"]
