"""The same code on the oldest transformers we support."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_OVERLAY = _ROOT / ".cache" / "transformers-4.55"


def _make_overlay() -> None:
    made = subprocess.run(
        [_ROOT / "scripts" / "compat-transformers"], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        reason = f"transformers 4.55 can't be installed: {made.stderr.strip()[-300:]}"
        if os.environ.get("CLIPWARDEN_TEST_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a suite of its own, which converts every model for OpenVINO
def test_dual_encoders_and_the_starter_work_on_transformers_4_55() -> None:
    _make_overlay()
    here = Path(__file__).parent
    tests = [str(here / name) for name in ("test_dual.py", "test_conformance.py")]
    script = (
        "import sys, pytest, transformers\n"
        "assert transformers.__version__.startswith('4.55.'), transformers.__version__\n"
        "sys.exit(pytest.main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "-q", "-p", "no:cacheprovider", "--noconftest", *tests],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_OVERLAY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
