"""What the first bytes of an upload say: its type and its size, before anything is decoded.

A header is a claim made by a stranger. It is read here without a codec, so that a small file that would
unpack to gigabytes is refused before any memory is asked for; the codecs check the claim again when they open
the file.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import StrEnum

from models.errors import BrokenImage, UnsupportedImage


class Format(StrEnum):
    """The picture types that are read."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    HEIC = "heic"
    AVIF = "avif"


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The segments before the pixels of a JPEG file."""

    height: int
    width: int
    bits: int
    """Per channel: 8, rarely 12."""
    components: int
    """1 grey, 3 colour, 4 CMYK."""
    scans: int
    """1 for a baseline file, about 10 for a progressive one."""
    exif: bytes | None
    icc_profile: bytes | None


KNOWN_BUT_NOT_READ: tuple[tuple[bytes, str], ...] = (
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"BM", "a BMP picture"),
    (b"8BPS", "a Photoshop file"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"%PDF", "a PDF document"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"PK\x03\x04", "a ZIP archive"),
)
"""What people send by mistake, to name it in the answer."""

HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff(data: bytes) -> Format:
    """The type by its first bytes; a file name or a declared media type is never asked.

    Raises UnsupportedImage when it is none that is read, BrokenImage when there is nothing.
    """
    if not data:
        raise BrokenImage("The file is empty.")
    if data[:3] == b"\xff\xd8\xff":
        return Format.JPEG
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return Format.PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Format.WEBP
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return Format.GIF
    if data[4:8] == b"ftyp":
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4], "big"), 128), 4))}
        if brands & AVIF_BRANDS:
            return Format.AVIF
        if brands & HEIC_BRANDS:
            return Format.HEIC
        raise UnsupportedImage("This is a video or an unknown kind of file; send a JPEG, PNG, WebP, HEIC, AVIF or GIF picture.")
    what = next((name for magic, name in KNOWN_BUT_NOT_READ if data.startswith(magic)), "not a picture that can be read")
    raise UnsupportedImage(f"This is {what}; send a JPEG, PNG, WebP, HEIC, AVIF or GIF picture.")


def claimed_size(data: bytes, kind: Format) -> tuple[int, int] | None:
    """(height, width) in px as the header claims, before any rotation; None for HEIC and AVIF, whose codec reads it without decoding.

    Raises BrokenImage when the header is cut off or damaged.
    """
    try:
        match kind:
            case Format.JPEG:
                header = read_jpeg_header(data)
                return header.height, header.width
            case Format.PNG:
                if data[12:16] != b"IHDR":
                    raise BrokenImage("This PNG picture has no header.")
                width, height = struct.unpack_from(">II", data, 16)
                return height, width
            case Format.GIF:
                return _gif_size(data)
            case Format.WEBP:
                return _webp_size(data)
            case Format.HEIC | Format.AVIF:
                return None
    except (struct.error, IndexError) as error:
        raise BrokenImage("The picture is cut off: even its header is incomplete.") from error


def _gif_size(data: bytes) -> tuple[int, int]:
    """Of the screen and the first frame: a frame that stands out of the screen makes it larger, and none has to fit."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, parts = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 0
    while at < len(data) and data[at] != GIF_TRAILER:
        if data[at] == GIF_FRAME:
            left, top, across, down = struct.unpack_from("<4H", data, at + 1)
            return max(height, top + down), max(width, left + across)
        if data[at] != GIF_EXTENSION:  # dirt between blocks is passed over
            found = GIF_BLOCK.search(data, at)
            at = found.start() if found else len(data)
            continue
        at += 2
        while data[at]:
            at += 1 + data[at]
            parts += 1
            if parts > GIF_PARTS_MOST:
                raise BrokenImage("This GIF picture begins with a thousand comments and no picture.")
        at += 1
    return height, width


GIF_BLOCK = re.compile(b"[,!;]")
GIF_PARTS_MOST = 65_536
"""Parts of extensions before the first frame, of up to 255 bytes each: more are there to keep somebody busy."""
GIF_FRAME, GIF_EXTENSION, GIF_TRAILER = b",!;"
"""What a block of a GIF file begins with (GIF89a, section 20, 24 and 27)."""


def _webp_size(data: bytes) -> tuple[int, int]:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[27:30], "little"), 1 + int.from_bytes(data[24:27], "little")
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    raise BrokenImage("This WebP picture has no header.")


# JPEG markers (ITU-T T.81, table B.1)
START_OF_SCAN = 0xDA
END_OF_IMAGE = 0xD9
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
APP1_EXIF, APP2_ICC = 0xE1, 0xE2


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Walks the segments up to the first scan.

    Raises BrokenImage when there is no frame before the pixels, IndexError or struct.error when it is cut off.
    """
    at, frame, exif = 2, None, None
    icc: dict[int, bytes] = {}
    while True:
        while data[at] != 0xFF:  # fill between segments is allowed
            at += 1
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in WITHOUT_LENGTH:
            continue
        if marker in (START_OF_SCAN, END_OF_IMAGE):
            break
        (length,) = struct.unpack_from(">H", data, at)
        body = data[at + 2 : at + max(length, 2)]
        if marker in START_OF_FRAME and frame is None:
            frame = struct.unpack_from(">BHHB", body)
        elif marker == APP1_EXIF and body[:6] == b"Exif\x00\x00" and exif is None:
            exif = body[6:]
        elif marker == APP2_ICC and body[:12] == b"ICC_PROFILE\x00":
            icc[body[12]] = body[14:]
        at += max(length, 2)
    if frame is None or 0 in frame[1:3]:
        raise BrokenImage("This JPEG picture does not say how large it is.")
    bits, height, width, components = frame
    return JpegHeader(
        height=height,
        width=width,
        bits=bits,
        components=components,
        scans=data.count(b"\xff\xda", at - 2),
        exif=exif,
        icc_profile=b"".join(icc[k] for k in sorted(icc)) or None,
    )


ORIENTATION_TAG = 0x0112


def read_orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1..8; 1 where there is none or it cannot be read. `exif` may start with the Exif marker."""
    tiff = (exif or b"").removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, first)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * entry)
            if tag == ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
