"""Makes `import torchvision` work beside a torch built without CUDA. Whoever uses torchvision calls this first:

    import_torchvision()
    from torchvision.transforms.v2 import functional

PyPI has one torchvision wheel for Linux, built for CUDA. Beside a CPU-only torch its library of operators does not load,
and torchvision then stops at import, because it registers a fake kernel for `torchvision::nms`, which nobody has defined. Two
schemas are enough to get past that. Functional transforms, models, utilities and box arithmetic then work, being
plain torch; `nms`, `deform_conv2d` and the JPEG functions raise when called.

Beside a torch that torchvision was built for this does nothing but import.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType

NMS_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
STAND_INS = ("nms", "qnms")

_lock = threading.Lock()
_kept: list[object] = []  # a torch.library.Library takes its definitions with it when it is collected


def import_torchvision() -> ModuleType:
    """The torchvision package, with stand-ins for two operators where the real ones cannot load.

    Raises ImportError where torchvision is not installed.
    """
    with _lock:
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::" not in str(error) or _kept:
                raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        _define_stand_ins()
        return importlib.import_module("torchvision")


def has_real_operators() -> bool:
    """Whether `nms`, `deform_conv2d` and the image codecs of torchvision can be called."""
    import_torchvision()
    return not _kept


def _define_stand_ins() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in STAND_INS:
        library.define(name + NMS_SCHEMA)
    _kept.append(library)
