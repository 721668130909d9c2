"""JPEG files on the GPU, and that the CPU takes over wherever it must."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from models import device_jpeg
from models.device_jpeg import DeviceJpeg
from models.errors import BrokenImage
from models.image_headers import read_jpeg_header
from models.images import decode, encode
from models.samples import sample_people
from models.types import Picture

CUDA = torch.device("cuda")


class Codec:
    """Stands in for the device's: knows what it was asked, and gives a picture that no file holds."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses, self.decoded, self.encoded = refuses, 0, 0

    def decode(self, data: bytes) -> Picture | None:
        self.decoded += 1
        size = Image.open(io.BytesIO(data)).size
        return None if self.refuses else np.full((size[1], size[0], 3), 7, np.uint8)

    def encode(self, picture: Picture, quality: int) -> bytes:
        self.encoded += 1
        return b"by the device, %d" % quality


@pytest.fixture(scope="module")
def photo() -> Picture:
    return sample_people()[0].picture[:320, :240]


def test_on_a_cpu_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert DeviceJpeg.of(torch.device("cpu")) is None
    assert not caplog.messages


def test_without_torchvisions_operators_there_is_none_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device_jpeg, "has_real_operators", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert DeviceJpeg.of(CUDA) is None
    assert "torchvision was built for another torch" in caplog.text


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device, which works")
def test_where_the_trial_fails_there_is_none(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(device_jpeg, "has_real_operators", lambda: True)
    with caplog.at_level(logging.WARNING):
        assert DeviceJpeg.of(CUDA) is None
    assert "read and written by the CPU" in caplog.text


def test_whole_jpeg_files_are_its(photo: Picture) -> None:
    codec = Codec()
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(turned, "JPEG", exif=exif)
    assert (decode(turned.getvalue(), codec=codec).picture == 7).all()
    assert decode(turned.getvalue(), codec=codec).picture.shape == (240, 320, 3)  # and put upright
    assert codec.decoded == 2
    decode(encode(photo, "jpeg"), longest_px=100, codec=codec)  # the CPU's decoder halves for nothing
    decode(encode(photo, "png"), codec=codec)
    assert codec.decoded == 2
    assert encode(photo, "jpeg", 80, codec) == b"by the device, 80"
    assert encode(photo, "png", codec=codec) == encode(photo, "png")
    assert codec.encoded == 1


def test_what_it_refuses_is_the_cpus(photo: Picture) -> None:
    codec, file = Codec(refuses=True), encode(photo, "jpeg")
    assert (decode(file, codec=codec).picture == decode(file).picture).all()
    assert codec.decoded == 1


@pytest.mark.cuda
def test_it_reads_and_writes_what_the_cpu_does(photo: Picture) -> None:
    codec = DeviceJpeg.of(CUDA)
    if codec is None:
        pytest.skip("torchvision's build has no nvJPEG")
    file = encode(photo, "jpeg")
    read = codec.decode(file)
    assert read is not None
    assert np.abs(read.astype(np.int16) - decode(file).picture).mean() < 1
    written = encode(photo, "jpeg", codec=codec)
    assert np.abs(decode(written).picture.astype(np.int16) - decode(file).picture).mean() < 1
    header = read_jpeg_header(written)
    assert (header.height, header.width, header.components) == (*photo.shape[:2], 3)
    with pytest.raises(BrokenImage):
        decode(file[: len(file) // 2], codec=codec)
