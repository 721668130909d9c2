"""torchvision imports beside any torch. Each case runs in its own process: an import happens only once in one."""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest

USES = """
import torch
from torchvision.transforms.v2 import functional
from torchvision.ops import box_iou
assert functional.resize(torch.zeros(3, 8, 8), [4, 4]).shape == (3, 4, 4)
assert abs(box_iou(torch.tensor([[0, 0, 2, 2.0]]), torch.tensor([[1, 0, 3, 2.0]])).item() - 1 / 3) < 1e-6
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@functools.cache
def plain_import_works() -> bool:
    return subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, timeout=120, check=False).returncode == 0


def test_torchvision_is_usable_after_our_import() -> None:
    run("from models.vision_ops import import_torchvision as go\nassert go() is go()\n" + USES)


def test_a_usable_torchvision_is_left_alone() -> None:
    if not plain_import_works():
        pytest.skip("this torch is not the one that torchvision was built for")
    run("from models.vision_ops import has_real_operators\nassert has_real_operators()")


def test_operators_that_are_missing_say_so() -> None:
    if plain_import_works():
        pytest.skip("the real operators are here")
    run(
        "from models.vision_ops import has_real_operators\nassert not has_real_operators()\n"
        "import torch\nfrom torchvision.ops import nms\n"
        "try:\n    nms(torch.rand(3, 4), torch.rand(3), 0.5)\nexcept RuntimeError:\n    pass\nelse:\n    raise SystemExit('nms ran')"
    )


def test_other_failures_are_not_hidden() -> None:
    run(
        "import sys\nsys.modules['torchvision'] = None\nfrom models.vision_ops import import_torchvision\n"
        "try:\n    import_torchvision()\nexcept ImportError:\n    pass\nelse:\n    raise SystemExit('no error')"
    )
