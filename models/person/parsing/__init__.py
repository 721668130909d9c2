"""The person parse."""

from models.person.parsing.reader import parse_person

__all__ = ["parse_person"]
