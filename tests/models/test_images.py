"""Any bytes a stranger may send: the right picture, or one of four typed errors, and never a codec's own."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from models.errors import BrokenImage, ImageError, ImageTooLarge, ImageTooSmall, UnsupportedImage
from models.image_headers import Format, read_jpeg_header, read_orientation
from models.images import Decoded, Encoding, Limits, decode, encode
from models.types import Picture

HEIGHT, WIDTH = 64, 96
RED, BLUE = (220, 30, 40), (20, 60, 200)


def drawn() -> Image.Image:
    """Red at the left, blue at the right, the top left corner black: any turn or mirroring shows."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, : WIDTH // 2], picture[:, WIDTH // 2 :] = RED, BLUE
    picture[: HEIGHT // 2, : WIDTH // 4] = 0
    return Image.fromarray(picture)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def close(a: Picture, b: Picture, tolerance: float = 6.0) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(int) - b).mean()) <= tolerance


def heic() -> bytes:
    """The drawing as a phone stores it."""
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(drawn()).save(buffer, quality=90)
    return buffer.getvalue()


FILES: dict[Format, Callable[[], bytes]] = {
    Format.JPEG: lambda: saved(drawn(), "JPEG", quality=95, subsampling=0),
    Format.PNG: lambda: saved(drawn(), "PNG"),
    Format.WEBP: lambda: saved(drawn(), "WEBP", lossless=True),
    Format.GIF: lambda: saved(drawn(), "GIF"),
    Format.AVIF: lambda: saved(drawn(), "AVIF", quality=95, speed=10),
    Format.HEIC: heic,
}


@pytest.mark.parametrize("kind", FILES)
def test_every_type_gives_the_picture(kind: Format) -> None:
    decoded = decode(FILES[kind]())
    assert decoded.format is kind
    assert close(decoded.picture, np.asarray(drawn()))
    assert decoded.picture.dtype == np.uint8
    assert decoded.picture.flags.c_contiguous
    assert decoded.alpha is None
    assert decoded.notices == ()


ORIENTATIONS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation -> how the stored picture was turned away from upright."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_photo_is_put_upright(kind: str, orientation: int) -> None:
    turn = ORIENTATIONS[orientation]
    stored = drawn() if turn is None else drawn().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert close(decode(saved(stored, kind, exif=exif, quality=95)).picture, np.asarray(drawn()))


def test_a_turned_heic_is_turned_once() -> None:
    import pillow_heif

    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pillow_heif.from_pillow(drawn().transpose(Image.Transpose.ROTATE_90)).save(buffer, quality=90, exif=exif.tobytes())
    assert close(decode(buffer.getvalue()).picture, np.asarray(drawn()))


def test_cmyk_grey_palette_and_bilevel_become_rgb() -> None:
    expected = np.asarray(drawn())
    assert close(decode(saved(drawn().convert("CMYK"), "JPEG", quality=95)).picture, expected, 12)
    assert close(decode(saved(drawn().quantize(8), "PNG")).picture, expected, 3)
    grey = np.asarray(drawn().convert("L").convert("RGB"))
    assert close(decode(saved(drawn().convert("L"), "JPEG", quality=95)).picture, grey)
    assert close(decode(saved(drawn().convert("L"), "PNG")).picture, grey, 0)
    assert set(np.unique(decode(saved(drawn().convert("1"), "PNG")).picture)) == {0, 255}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_picture_is_reduced_where_it_is_decoded(kind: str, orientation: int) -> None:
    large = drawn().resize((1100, 700), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(saved(large, kind, **({} if kind == "GIF" else {"exif": exif})), longest_px=500)
    expected = large.resize((500, 318), Image.Resampling.BICUBIC)
    turned = orientation == 6 and kind != "GIF"
    assert decoded.size == ((1100, 700) if turned else (700, 1100))
    assert close(decoded.picture, np.asarray(expected.transpose(Image.Transpose.ROTATE_270) if turned else expected), 8)
    assert decode(saved(large, kind), longest_px=1100).picture.shape == (700, 1100, 3)


def test_alpha_is_reduced_with_its_picture() -> None:
    image = drawn().resize((1100, 700)).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 550, 700))
    decoded = decode(saved(image, "PNG"), longest_px=500)
    assert decoded.alpha is not None
    assert decoded.alpha.shape == decoded.picture.shape[:2] == (318, 500)
    assert decoded.alpha[:, :240].max() == 0
    assert decoded.alpha[:, 260:].min() == 255
    assert close(decoded.picture[:, 260:], np.asarray(image.resize((500, 318)).convert("RGB"))[:, 260:])


def png_16_bit(channels: int) -> bytes:
    """A PNG of 16 bits per channel (Pillow cannot write colour ones): 0x8040 everywhere."""
    rows = (b"\x00" + b"\x80\x40" * channels * WIDTH) * HEIGHT

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_become_eight(channels: int) -> None:
    decoded = decode(png_16_bit(channels))
    expected = 0x80 if channels < 4 else (0x80 * 0x80 + 255 * 0x7F + 127) // 255
    assert np.unique(decoded.picture).tolist() == [expected]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF"])
def test_transparency_is_shown_on_white_and_kept_as_alpha(kind: str) -> None:
    image = drawn().convert("RGBA")
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 0
    image.putalpha(Image.fromarray(alpha))
    decoded = decode(saved(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert decoded.alpha is not None
    assert close(decoded.alpha, alpha, 2)
    assert decoded.picture[:, -8:].min() >= 250
    assert close(decoded.picture[:, : WIDTH // 2 - 8], np.asarray(drawn())[:, : WIDTH // 2 - 8])


def test_half_transparent_pixels_mix_with_white() -> None:
    image = drawn().convert("RGBA")
    image.putalpha(128)
    left = decode(saved(image, "PNG")).picture[-1, 0].astype(int)
    assert np.abs(left - (np.array(RED) * 128 + 255 * 127) // 255).max() <= 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_with_a_notice(kind: str) -> None:
    other = Image.new("RGB", (WIDTH, HEIGHT), (0, 255, 0))
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(saved(drawn(), kind, save_all=True, append_images=[other], duration=100, **options))
    assert close(decoded.picture, np.asarray(drawn()))
    assert [notice.code for notice in decoded.notices] == ["animated"]


def swapped_profile() -> bytes:
    """An RGB profile whose red primary is sRGB's green and the other way round: nobody can overlook whether it was used."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", b"o\0t\0h\0r"))
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_colour_profile_is_converted_to_srgb(kind: str) -> None:
    plain = Image.new("RGB", (WIDTH, HEIGHT), (200, 40, 40))
    decoded = decode(saved(plain, kind, icc_profile=swapped_profile(), quality=95))
    r, g, _ = decoded.picture[HEIGHT // 2, WIDTH // 2].astype(int)
    assert g > r + 100
    assert decoded.notices == ()


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert close(decode(saved(drawn(), "PNG", icc_profile=profile)).picture, np.asarray(drawn()), 0)


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:200]])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_unreadable_profile_is_told(kind: str, profile: bytes) -> None:
    decoded = decode(saved(drawn(), kind, icc_profile=profile))
    assert close(decoded.picture, np.asarray(drawn()))
    assert [notice.code for notice in decoded.notices] == ["colour-profile-ignored"]


def test_a_grey_profile_on_a_colour_picture_does_no_harm() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert close(decode(saved(drawn().convert("L"), "JPEG", icc_profile=profile)).picture[..., 0], np.asarray(drawn().convert("L")))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_file_is_broken(kind: Format, share: float) -> None:
    rng = np.random.default_rng(0)
    noisy = Image.fromarray(rng.integers(0, 255, (200, 300, 3), dtype=np.uint8))
    if kind is Format.HEIC:
        import pillow_heif

        buffer = io.BytesIO()
        pillow_heif.from_pillow(noisy).save(buffer)
        data = buffer.getvalue()
    else:
        data = saved(noisy, kind.upper())
    with pytest.raises(BrokenImage):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data,word",
    [
        (b"hello", "picture"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2", "video"),
        (b"BM" + bytes(60), "BMP"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, word: str) -> None:
    with pytest.raises(UnsupportedImage, match=word):
        decode(data)


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(BrokenImage, match="empty"):
        decode(b"")


def png_header(width: int, height: int) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))


def huge(kind: Format) -> bytes:
    """A few bytes that claim a gigantic picture."""
    match kind:
        case Format.PNG:
            return png_header(60_000, 60_000) + bytes(100)
        case Format.GIF:
            return b"GIF89a" + struct.pack("<HH", 65_000, 65_000) + bytes(100)
        case Format.WEBP:
            canvas = (16_000).to_bytes(3, "little")
            return b"RIFF\x40\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + bytes(4) + canvas + canvas + bytes(100)
        case _:
            data = bytearray(saved(drawn(), "JPEG"))
            at = data.find(b"\xff\xc0")
            data[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
            return bytes(data)


@pytest.mark.parametrize("kind", [Format.JPEG, Format.PNG, Format.GIF, Format.WEBP])
def test_a_bomb_is_refused_by_its_header(kind: Format) -> None:
    with pytest.raises(ImageTooLarge, match="megapixels"):
        decode(huge(kind))


@pytest.mark.parametrize("blocks", [b"", b"!\xfe\x03abc\x02de\x00", b"\x00"])
def test_a_bomb_in_a_gifs_first_frame_is_refused(blocks: bytes) -> None:
    """The frame may stand out of the screen that the header tells of."""
    data = saved(drawn(), "GIF")
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    frame = data.index(b",", at)
    bomb = data[:at] + blocks + data[at : frame + 5] + struct.pack("<HH", 12_000, 9_000) + data[frame + 9 :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageTooLarge, match="12000 x 9000"):
            decode(bomb)


@pytest.mark.parametrize("kind", FILES)
def test_limits_count_pixels_bytes_and_sides(kind: Format) -> None:
    data = FILES[kind]()
    with pytest.raises(ImageTooLarge, match="megapixels"):
        decode(data, Limits(max_pixels=HEIGHT * WIDTH - 1))
    with pytest.raises(ImageTooLarge, match="MB"):
        decode(data, Limits(max_bytes=len(data) - 1))
    with pytest.raises(ImageTooSmall, match=f"{WIDTH} x {HEIGHT}"):
        decode(data, Limits(min_side_px=HEIGHT + 1))
    assert decode(data, Limits(len(data), HEIGHT * WIDTH, HEIGHT)).picture.shape == (HEIGHT, WIDTH, 3)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = saved(drawn(), "JPEG", progressive=True)
    scan = data.find(b"\xff\xda")
    with pytest.raises(UnsupportedImage, match="scans"):
        decode(data[:scan] + data[scan:-2] * 20 + data[-2:])
    assert read_jpeg_header(data).scans <= 12


def test_a_jpeg_with_dirt_between_its_segments_is_still_read() -> None:
    data = FILES[Format.JPEG]()
    scan = data.find(b"\xff\xda")
    assert close(decode(data[:scan] + b"dirt" + data[scan:]).picture, np.asarray(drawn()))


def test_a_12_bit_jpeg_is_a_typed_error_or_a_picture() -> None:
    data = bytearray(FILES[Format.JPEG]())
    data[data.find(b"\xff\xc0") + 4] = 12
    with pytest.raises(ImageError):
        decode(bytes(data))


def test_orientation_survives_nonsense() -> None:
    assert read_orientation(None) == 1
    assert read_orientation(b"") == 1
    assert read_orientation(b"II*\x00\xff\xff\xff\x7f") == 1
    assert read_orientation(b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x63\x00\x00") == 1


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_what_is_encoded_can_be_decoded(kind: Encoding) -> None:
    picture = np.asarray(drawn())
    decoded = decode(encode(picture, kind))
    assert decoded.format == kind
    assert close(decoded.picture, picture, 0 if kind == "png" else 6)


def test_quality_trades_bytes() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    for kind in ("jpeg", "webp"):
        assert len(encode(picture, kind, 40)) < len(encode(picture, kind, 95))


def test_encoding_takes_a_view() -> None:
    picture = np.asarray(drawn())
    assert close(decode(encode(picture[::-1, ::-1], "jpeg")).picture, picture[::-1, ::-1])


SAMPLES = {kind: make() for kind, make in FILES.items()}
TIGHT = Limits(max_bytes=200_000, max_pixels=2_000_000)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), kind=st.sampled_from(list(SAMPLES)))
def test_damaged_files_give_a_picture_or_a_typed_error(data: st.DataObject, kind: Format) -> None:
    damaged = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(0, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(len(damaged) // 3, len(damaged))) :]
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        try:
            outcome: Decoded | ImageError = decode(bytes(damaged), TIGHT)
        except ImageError as error:
            outcome = error
    assert not leaked
    if isinstance(outcome, ImageError):
        assert outcome.detail.endswith(".")
    else:
        assert outcome.picture.ndim == 3
        assert outcome.picture.dtype == np.uint8


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", *(sample[:16] for sample in SAMPLES.values())]))
def test_arbitrary_bytes_give_a_typed_error(data: bytes, magic: bytes) -> None:
    with pytest.raises(ImageError):
        decode(magic + data, TIGHT)


def test_reading_opens_no_format_by_name(tmp_path: Path) -> None:
    """`Image.open` would try every plugin; a TIFF under a JPEG's name must not be read."""
    with pytest.raises(UnsupportedImage, match="TIFF"):
        decode(saved(drawn(), "TIFF"))
