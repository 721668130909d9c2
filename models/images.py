"""Bytes to RGB and back.

Whatever a stranger sends ends here as an upright, sRGB, 8-bit picture or as one of four typed errors; no
exception or warning of a codec passes. Pillow's plugins are opened by class, after the header has been
checked, never through `Image.open`: it would try every format it knows.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import simplejpeg
from PIL import Image, ImageCms

from models.errors import BrokenImage, ImageTooLarge, ImageTooSmall, UnsupportedImage
from models.image_headers import Format, claimed_size, read_jpeg_header, read_orientation, sniff
from models.types import LabelMap, Notice, Picture

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Encoding = Literal["jpeg", "png", "webp", "avif"]

MAX_JPEG_SCANS = 50
"""A progressive photo has about ten. A few megabytes of empty scans keep a decoder busy for minutes (LJT-01-004)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted; checked before decoding."""

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    """Four bytes each while decoding: 200 MB."""
    min_side_px: int = 32
    """Nothing can be seen on less."""


GARMENT_LONG_SIDE_PX = 2048
"""Garment pictures are reduced to it where they come in: they are drawn at 1,280 at most, and reading 49 megapixels at their own
size takes 21 s and 7 GB.
"""


class JpegCodec(Protocol):
    """Reads and writes JPEG files in the CPU's place, see `models.device_jpeg`."""

    def decode(self, data: bytes) -> Picture | None:
        """As it is stored, not turned; None for a file that the CPU's decoders have to look at."""
        ...

    def encode(self, picture: Picture, quality: int) -> bytes | None:
        """None where the CPU has to."""
        ...


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as it should be looked at: upright, sRGB, transparency on white."""

    picture: Picture
    format: Format
    alpha: LabelMap | None = None
    """uint8 (H, W), 255 opaque; None where all of it is. Of a garment picture it is as good as a drawn outline."""
    notices: tuple[Notice, ...] = ()
    size: tuple[int, int] = (0, 0)
    """(height, width) px that it has in the file, upright; `picture` may have been reduced."""


def decode(data: bytes, limits: Limits | None = None, longest_px: int | None = None, codec: JpegCodec | None = None) -> Decoded:
    """Decodes JPEG, PNG, WebP, HEIC, AVIF and GIF; of an animation the first frame, with the notice `animated`.

    longest_px: a picture with a longer side is reduced to it, as early as its format allows; codec: asked first for JPEG files that are
    read whole.
    Raises UnsupportedImage, BrokenImage (damaged or cut off), ImageTooLarge (bytes or pixels), ImageTooSmall.
    """
    limits = limits or Limits()
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"The picture has {len(data) / 1e6:.1f} MB; at most {limits.max_bytes / 1e6:.0f} MB are read.")
    kind = sniff(data)
    size = claimed_size(data, kind)
    if size is not None:
        _check_size(size, limits)
    picture = _decode_jpeg(data, limits, longest_px, codec) if kind is Format.JPEG else None
    return picture or _decode_with_pillow(data, kind, limits, longest_px)


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    height, width = size
    if height * width > limits.max_pixels:
        raise ImageTooLarge(f"The picture has {width} x {height} pixels; at most {limits.max_pixels / 1e6:.0f} megapixels are read.")
    if min(height, width) < limits.min_side_px:
        raise ImageTooSmall(f"The picture has only {width} x {height} pixels; each side needs at least {limits.min_side_px}.")


def _reduced(image: Image.Image, longest_px: int | None) -> Image.Image:
    """By whole numbers of pixels first: that is several times as quick, and as good."""
    longest = max(image.size)
    if longest_px is None or longest <= longest_px:
        return image
    size = (max(1, round(image.width * longest_px / longest)), max(1, round(image.height * longest_px / longest)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)


REDUCING_GAP = 2.0
"""Pillow averages whole pixels down to so many times the size, and filters the rest."""


def _decode_jpeg(data: bytes, limits: Limits, longest_px: int | None, codec: JpegCodec | None) -> Decoded | None:
    """The fast path for the JPEG files that cameras write; None for one that Pillow must look at.

    Pillow gets those with 4 channels or 12 bits, and those at which the strict decoder stumbles: it tolerates
    a little dirt between segments but still refuses a file that is cut off.
    """
    header = read_jpeg_header(data)
    if header.scans > MAX_JPEG_SCANS:
        raise UnsupportedImage(f"This JPEG picture is stored in {header.scans} scans; at most {MAX_JPEG_SCANS} are read.")
    if header.bits != 8 or header.components not in (1, 3):
        return None
    try:
        least = _least_decoded(header.height, header.width, longest_px)
        read = codec.decode(data) if codec is not None and least == (0, 0) else None
        picture = simplejpeg.decode_jpeg(data, "RGB", strict=True, min_height=least[0], min_width=least[1]) if read is None else read
    except ValueError:
        return None
    if least == (0, 0):
        _check_size(picture.shape[:2], limits)
    else:
        picture = _shrunk(picture, longest_px)
    notices: tuple[Notice, ...] = ()
    if header.icc_profile is not None:
        gray = header.components == 1
        image = Image.fromarray(picture[..., 0] if gray else picture)
        image, notices = _to_srgb(image, header.icc_profile)
        picture = np.asarray(image.convert("RGB"))
    orientation = read_orientation(header.exif)
    size = _upright_size((header.height, header.width), orientation)
    return Decoded(picture=_upright(picture, orientation), format=Format.JPEG, notices=notices, size=size)


def _least_decoded(height: int, width: int, longest_px: int | None) -> tuple[int, int]:
    """(height, width) under which a JPEG picture need not be decoded; zeros: at its own size.

    The decoder halves for nothing, and again; its other fractions take three times as long as the whole picture.
    """
    if longest_px is None or max(height, width) <= longest_px:
        return 0, 0
    halvings = min(MOST_HALVINGS, (max(height, width) // longest_px).bit_length() - 1)
    return -(-height >> halvings), -(-width >> halvings)


MOST_HALVINGS = 3
"""A JPEG picture's blocks are eight pixels wide."""


def _shrunk(picture: Picture, longest_px: int | None) -> Picture:
    """`_reduced` in torch: the same filter in a tenth of the time."""
    longest = max(picture.shape[:2])
    if longest_px is None or longest <= longest_px:
        return picture
    from models.resizing import resize_picture  # with torch, which takes seconds

    height, width = (max(1, round(side * longest_px / longest)) for side in picture.shape[:2])
    return resize_picture(picture, (height, width))


def _decode_with_pillow(data: bytes, kind: Format, limits: Limits, longest_px: int | None) -> Decoded:
    try:
        with _open(data, kind) as image:
            _check_size((image.height, image.width), limits)
            image.load()
            _check_size((image.height, image.width), limits)
            profile, exif = image.info.get("icc_profile"), image.info.get("exif")
            size = (image.height, image.width)
            rgb, alpha = _split_alpha(image, longest_px)
            animated = bool(getattr(image, "is_animated", False)) and kind is not Format.JPEG  # a JPEG's further pictures are previews
        notices: tuple[Notice, ...] = ()
        if profile:
            rgb, notices = _to_srgb(rgb, profile)
        picture = np.asarray(rgb.convert("RGB"))
    except (ImageTooLarge, ImageTooSmall):
        raise
    except Exception as error:  # the codecs raise OSError, SyntaxError, struct.error, EOFError, KeyError, zlib.error and more
        raise BrokenImage(f"The {kind.upper()} picture is damaged or cut off.") from error
    if animated:
        notices = (*notices, Notice("animated", "The picture is animated; its first frame was used."))
    if alpha is not None:
        picture = _on_white(picture, alpha)
    orientation = read_orientation(exif)
    return Decoded(
        picture=_upright(picture, orientation),
        format=kind,
        alpha=None if alpha is None else _upright(alpha, orientation),
        notices=notices,
        size=_upright_size(size, orientation),
    )


def _open(data: bytes, kind: Format) -> ImageFile:
    stream = io.BytesIO(data)
    match kind:
        case Format.JPEG:
            from PIL.JpegImagePlugin import JpegImageFile

            return JpegImageFile(stream)
        case Format.PNG:
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile(stream)
        case Format.WEBP:
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile(stream)
        case Format.GIF:
            from PIL.GifImagePlugin import GifImageFile

            return GifImageFile(stream)
        case Format.AVIF:
            from PIL.AvifImagePlugin import AvifImageFile

            return AvifImageFile(stream)
        case Format.HEIC:
            from pillow_heif import HeifImageFile

            return HeifImageFile(stream)  # type: ignore[no-untyped-call]  # pillow-heif ships no types


def _split_alpha(image: Image.Image, longest_px: int | None) -> tuple[Image.Image, LabelMap | None]:
    """An 8-bit picture without transparency (grey, RGB or CMYK: as its colour profile wants it) and its alpha, if it has one; reduced."""
    if image.mode.startswith("I;16"):
        return _reduced(Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)), longest_px), None
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = _reduced(image.convert("RGBA"), longest_px)  # Pillow weighs colours with their alpha
        alpha = np.array(image.getchannel("A"))
        return image.convert("RGB"), None if alpha.min() == 255 else alpha
    return _reduced(image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB"), longest_px), None


PROFILE_MODES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}


def _to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, tuple[Notice, ...]]:
    """Into sRGB, where the profile is another and can be read; otherwise unchanged, with a notice."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "RGB" and "sRGB" in (source.profile.profile_description or ""):
            return image, ()
        if source.profile.xcolor_space != PROFILE_MODES[image.mode]:
            image = image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError):
        return image, (Notice("colour-profile-ignored", "The picture's colour profile cannot be read; colours may be slightly off."),)
    return converted or image, ()


def _on_white(picture: Picture, alpha: LabelMap) -> Picture:
    weight = alpha[..., None].astype(np.uint16)
    return ((picture * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size


def _upright(picture: Picture, orientation: int) -> Picture:
    """Applies an EXIF orientation (1..8) to (H, W, ...)."""
    if orientation >= 5:
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


JPEG_QUALITY = 90
"""With colour at full resolution (4:4:4), so that a red print keeps its edge."""
WEBP_QUALITY, WEBP_EFFORT = 88, 1
AVIF_QUALITY, AVIF_SPEED = 80, 10
PNG_LEVEL = 1


def encode(picture: Picture, kind: Encoding, quality: int | None = None, codec: JpegCodec | None = None) -> bytes:
    """Encodes uint8 RGB (H, W, 3). `quality` 1..100 of JPEG, WebP and AVIF; PNG is lossless. codec: what writes JPEG files."""
    match kind:
        case "jpeg":
            written = None if codec is None else codec.encode(picture, quality or JPEG_QUALITY)
            return written or bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality or JPEG_QUALITY, "RGB", "444"))
        case "png":
            return _save(picture, "PNG", compress_level=PNG_LEVEL)
        case "webp":
            return _save(picture, "WEBP", quality=quality or WEBP_QUALITY, method=WEBP_EFFORT)
        case "avif":
            return _save(picture, "AVIF", quality=quality or AVIF_QUALITY, speed=AVIF_SPEED)


def _save(picture: Picture, name: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, name, **options)
    return buffer.getvalue()
