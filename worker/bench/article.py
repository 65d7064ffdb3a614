"""The article's way with a picture: PIL, transformers' processor, the network in float32, alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from packaging.version import Version
from PIL import Image
from transformers import AutoImageProcessor, AutoModel

from worker.encoders.protocol import Vectors

_IS_4 = Version(transformers.__version__) < Version("5")


class ArticleEncoder:
    """One picture at a time, as the tutorials write it; remembers where the time went."""

    def __init__(self, folder: Path) -> None:
        """Load a dual encoder of transformers; raises OSError or ValueError for other folders."""
        # The processor that works on PIL pictures: the other needs torchvision.
        options: dict[str, Any] = {"use_fast": False} if _IS_4 else {"backend": "pil"}
        processor_class: Any = AutoImageProcessor
        self._processor = processor_class.from_pretrained(folder, local_files_only=True, **options)
        self._network: Any = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
        ).eval()
        self.preprocess_s = 0.0
        self.embed_s = 0.0

    def embed(self, picture: Image.Image) -> Vectors:
        """Embed one picture to float32 `[dimension]`, unit length."""
        began_s = time.perf_counter()
        inputs = self._processor(images=picture, return_tensors="pt")
        prepared_s = time.perf_counter()
        with torch.no_grad():
            features = self._network.get_image_features(**inputs)
            # transformers 5 wraps what 4 returned as it is.
            features = getattr(features, "pooler_output", features)
            vector = features[0] / features[0].norm()
        embedded = np.asarray(vector.numpy(), dtype=np.float32)
        self.preprocess_s += prepared_s - began_s
        self.embed_s += time.perf_counter() - prepared_s
        return embedded

    def forget_times(self) -> None:
        """Count from zero again."""
        self.preprocess_s = self.embed_s = 0.0
