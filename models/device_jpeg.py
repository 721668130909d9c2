"""JPEG files decoded and encoded by the GPU (nvJPEG, through torchvision), where torchvision's build has it."""

from __future__ import annotations

import logging

import numpy as np
import torch

from models.types import Picture
from models.vision_ops import has_real_operators

TRIAL_SIZE = (64, 48)
"""(height, width) px of the picture that is encoded and decoded before it is trusted."""
TRIAL_LEVELS = 8
"""Mean difference in grey levels that a smooth picture may have afterwards."""
END_OF_IMAGE = b"\xff\xd9"

_log = logging.getLogger(__name__)


class DeviceJpeg:
    """Decodes and encodes on a CUDA device; see `models.images.JpegCodec`. Use `of`."""

    def __init__(self, device: torch.device) -> None:
        """Raises RuntimeError or ImportError where torchvision has no such operators."""
        if not has_real_operators():
            raise RuntimeError("torchvision was built for another torch")
        from torchvision.io import ImageReadMode, decode_jpeg, encode_jpeg

        self._device = device
        self._rgb, self._decode, self._encode = ImageReadMode.RGB, decode_jpeg, encode_jpeg

    @classmethod
    def of(cls, device: torch.device) -> DeviceJpeg | None:
        """One that was tried out; None on a CPU and, which the log says with its reason, where torchvision cannot."""
        if device.type != "cuda":
            return None
        try:
            codec = cls(device)
            codec._try_out()
        except (ImportError, RuntimeError, AssertionError, AttributeError, ValueError) as error:  # the third: torch without CUDA
            _log.warning("JPEG files are read and written by the CPU: %s", error)
            return None
        return codec

    def _try_out(self) -> None:
        """Raises RuntimeError where a picture does not come back."""
        height, width = TRIAL_SIZE
        smooth = np.add.outer(np.arange(height), np.arange(width)).astype(np.uint8)
        picture = np.ascontiguousarray(np.repeat(smooth[..., None], 3, 2))
        written = self.encode(picture, 95)
        back = None if written is None else self.decode(written)
        if back is None or back.shape != picture.shape or np.abs(back.astype(np.int16) - picture).mean() > TRIAL_LEVELS:
            raise RuntimeError("nvJPEG does not give back what it was given")

    def decode(self, data: bytes) -> Picture | None:
        """The picture (H, W, 3) as it is stored, not turned; None for a file that a stricter decoder has to look at."""
        if not data.endswith(END_OF_IMAGE):  # cut off, or something follows
            return None
        try:
            picture = self._decode(torch.frombuffer(bytearray(data), dtype=torch.uint8), self._rgb, device=self._device)
        except RuntimeError:
            return None
        return np.ascontiguousarray(picture.permute(1, 2, 0).contiguous().cpu().numpy())

    def encode(self, picture: Picture, quality: int) -> bytes | None:
        """A JPEG file of a picture (H, W, 3), colour at full resolution; None where the device could not, for want of memory perhaps."""
        try:
            planes = torch.from_numpy(np.ascontiguousarray(picture)).to(self._device).permute(2, 0, 1).contiguous()
            return bytes(self._encode(planes, quality).cpu().numpy())
        except RuntimeError:
            return None
