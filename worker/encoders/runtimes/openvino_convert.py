"""`python -P -m worker.encoders.runtimes.openvino_convert`: one model into OpenVINO's format.

The request is one line of JSON on stdin: a model card, and the folder to make.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import openvino
import torch
from torch import nn

from worker.encoders.probes import probe_pictures
from worker.encoders.runtimes.openvino_models import UNFINISHED
from worker.encoders.towers_of import load_towers
from worker.models.calibration import calibration_pictures
from worker.models.card import ModelCard

# What stands around the network proper: in 8 bits these lose much and save nothing.
_KEPT_FLOAT = ("Divide", "MatMul", "Multiply", "Power", "ReduceL2", "ReduceSum", "Subtract")


def convert(card: ModelCard, folder: Path) -> None:
    """Write `model.xml` and `model.bin` into a new folder, whole or not at all."""
    tower = load_towers(card, torch.float32, torch.device("cpu")).image
    model = _traced(tower, card.geometry.size_px)
    if card.precision == "int8":
        model = _quantised(model, card)
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder.parent))
    try:
        openvino.save_model(model, made / "model.xml", compress_to_fp16=False)
        made.rename(folder)
    except OSError:
        # Somebody else was faster with the same.
        if not (folder / "model.xml").is_file():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _traced(tower: nn.Module, size_px: int) -> openvino.Model:
    example = torch.from_numpy(probe_pictures(2, size_px))
    shape = openvino.PartialShape([-1, size_px, size_px, 3])
    with torch.no_grad():
        return openvino.convert_model(tower, example_input=example, input=[shape])


def _quantised(model: openvino.Model, card: ModelCard) -> openvino.Model:
    """Post-training quantisation of weights and activations to 8 bits, by the user's pictures.

    Symmetric weights and asymmetric activations (`mixed`): transformers' activations lean to one
    side. Of the starter, a convolutional network, the two products behind it stay as they are.
    """
    # Here: it takes seconds to import, and only int8 needs it.
    import nncf

    nncf.set_log_level(logging.ERROR)
    is_starter = card.kind == "starter"
    kept = list(_KEPT_FLOAT) if is_starter else []
    pictures = calibration_pictures(card)
    batches = [pictures[index : index + 1] for index in range(len(pictures))]
    return nncf.quantize(
        model,
        nncf.Dataset(batches),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=None if is_starter else nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(types=kept, validate=False),
        subset_size=len(batches),
    )


def main() -> int:
    """Serve one request."""
    request = json.loads(sys.stdin.readline())
    # Tracing warns of every branch it takes once and for all, which is what is wanted here.
    warnings.simplefilter("ignore")
    convert(ModelCard.from_json(request["card"]), Path(request["folder"]))
    return 0


if __name__ == "__main__":
    # Its makers' libraries print to where answers would be expected.
    os.dup2(2, 1)
    sys.exit(main())
