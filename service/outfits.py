"""Draws one outfit, and says in the words of the one who sent it why that cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import CategoryNotSupported
from models.interface import EngineProtocol, Fitting, G, P, TryOn
from service.errors import OutfitNotWearable


def draw(engine: EngineProtocol[P, G], fitting: Fitting[P, G]) -> TryOn:
    """Raises OutfitNotWearable, which tells what the garments were taken for: it may be that a category was found wrong."""
    try:
        (result,) = engine.try_on([fitting])
    except CategoryNotSupported as error:
        raise OutfitNotWearable(f"{error.detail} {taken_for(fitting.garments)}", field="garment") from error
    return result


def taken_for(garments: Sequence[G]) -> str:
    """A sentence with the categories of `garments`, inner to outer."""
    kinds = [garment.category.value for garment in garments]
    listed = " and ".join(filter(None, [", ".join(kinds[:-1]), *kinds[-1:]]))
    return f"What came, inner to outer, is {listed}."
