"""What the service asks of an engine. HTTP never sees a tensor: only these names.

The real one is `models.engine.Engine`; the tests of the service have a deterministic one without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from models.types import BoolArray, Category, FloatArray, LabelMap, Notice, Picture, Tuck

if TYPE_CHECKING:
    from models.images import JpegCodec


class ReadPerson(Protocol):
    """A photo once read; everything a try-on needs of it. Holds personal data: never log or store it in the clear."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the photo, px."""
        ...

    @property
    def confidence(self) -> float:
        """0..1: how surely the person was read."""
        ...

    @property
    def notices(self) -> tuple[Notice, ...]: ...


class ReadGarment(Protocol):
    """A garment picture once read and prepared for draping."""

    @property
    def category(self) -> Category: ...

    @property
    def confidence(self) -> float: ...

    @property
    def notices(self) -> tuple[Notice, ...]: ...


P = TypeVar("P", bound=ReadPerson)
G = TypeVar("G", bound=ReadGarment)


@dataclass(frozen=True, slots=True)
class Fitting(Generic[P, G]):
    """One thing to draw: these garments, inner to outer, on this person."""

    person: P
    garments: tuple[G, ...]
    tuck: Tuck = Tuck.AUTO


@dataclass(frozen=True, slots=True)
class TryOn:
    """A finished picture."""

    picture: Picture
    """Same size as the photo; equal to it to the bit outside the edit mask."""
    confidence: float
    """0..1, from what was measured; under 0.4 means visibly poor."""
    notices: tuple[Notice, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by stage of this call (a batch shares its stages' times)."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a picture came about; all arrays have the photo's size except `garment_mask`."""

    parse: LabelMap
    garment_mask: LabelMap
    """uint8, 255 where the (outermost) garment picture shows garment; the size of that picture."""
    garment_alpha: LabelMap
    """uint8, 255 where the result shows the (outermost) new garment."""
    garment_map: FloatArray
    """(H, W, 2) garment pixel (x, y) shown at each photo pixel, NaN elsewhere."""
    edit_mask: BoolArray
    landmarks: Mapping[str, Sequence[Sequence[float]]]


class EngineProtocol(Protocol[P, G]):
    """Reads people and garments and draws try-ons. Calls are blocking: one thread draws, several may read.

    All raise `models.errors.MuslinError` subclasses for inputs that cannot be used.
    """

    @property
    def version(self) -> str:
        """Changes whenever the same input may give other pixels."""
        ...

    @property
    def device(self) -> str: ...

    @property
    def jpeg(self) -> JpegCodec | None:
        """What reads and writes JPEG files on the device; None: the CPU does."""
        ...

    def warm_up(self) -> None:
        """Loads and runs everything once, so that the first request is not slow."""
        ...

    def read_person(self, photo: Picture) -> P: ...

    def read_garment(self, picture: Picture, category: Category | None, alpha: LabelMap | None = None) -> G:
        """`category` None: found from the outline. `alpha` (H, W) 0..255: the picture's own transparency, where it has one."""
        ...

    def pack_person(self, person: P) -> bytes:
        """A read person as bytes, to be kept for a while: `unpack_person` makes one of them that gives the same pixels. Personal data."""
        ...

    def unpack_person(self, data: bytes) -> P:
        """Raises `models.packing.PackingError` for what another version of the engine has packed."""
        ...

    def pack_garment(self, garment: G) -> bytes: ...

    def unpack_garment(self, data: bytes) -> G: ...

    def try_on(self, batch: Sequence[Fitting[P, G]]) -> list[TryOn]: ...

    def explain(self, fitting: Fitting[P, G]) -> Explanation: ...

    def close(self) -> None: ...
