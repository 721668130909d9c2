"""The one exception tree of the package.

    MuslinError
    ├── ImageError              the bytes are not a picture that can be used
    │   ├── UnsupportedImage      unsupported-image
    │   ├── BrokenImage           broken-image
    │   ├── ImageTooLarge         image-too-large
    │   └── ImageTooSmall         image-too-small
    ├── PersonError             the photo cannot be dressed
    │   ├── NoPerson              no-person
    │   ├── SeveralPeople         several-people
    │   ├── BodyNotVisible        body-not-visible
    │   └── PhotoTooSmall         photo-too-small
    ├── GarmentError            the garment picture cannot be worn
    │   ├── GarmentNotIsolated    garment-not-isolated
    │   ├── GarmentNotReadable    garment-not-readable
    │   └── CategoryNotSupported  category-not-supported
    └── AssetError              a model file is missing, damaged or cannot be had
                                  asset-unavailable

Every leaf has a stable `slug`: the last part of the RFC 9457 problem type and the `error` of a report.
The message is one plain sentence for the person who sent the picture; it never holds picture data.
"""

from __future__ import annotations

from typing import ClassVar


class MuslinError(Exception):
    """Base of all errors that Muslin raises on purpose."""

    slug: ClassVar[str] = "internal-error"

    @property
    def detail(self) -> str:
        """The sentence to show, or the slug where none was given."""
        return str(self.args[0]) if self.args else self.slug


class ImageError(MuslinError):
    """The bytes are not a picture that can be used."""


class UnsupportedImage(ImageError):
    slug = "unsupported-image"


class BrokenImage(ImageError):
    slug = "broken-image"


class ImageTooLarge(ImageError):
    slug = "image-too-large"


class ImageTooSmall(ImageError):
    slug = "image-too-small"


class PersonError(MuslinError):
    """The photo cannot be dressed."""


class NoPerson(PersonError):
    slug = "no-person"


class SeveralPeople(PersonError):
    slug = "several-people"


class BodyNotVisible(PersonError):
    slug = "body-not-visible"


class PhotoTooSmall(PersonError):
    slug = "photo-too-small"


class GarmentError(MuslinError):
    """The garment picture cannot be worn."""


class GarmentNotIsolated(GarmentError):
    slug = "garment-not-isolated"


class GarmentNotReadable(GarmentError):
    slug = "garment-not-readable"


class CategoryNotSupported(GarmentError):
    slug = "category-not-supported"


class AssetError(MuslinError):
    """A model file is missing, damaged or cannot be had."""

    slug = "asset-unavailable"
