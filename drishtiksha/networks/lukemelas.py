"""EfficientNets of lukemelas' EfficientNet-PyTorch, in which many detectors were published, under the key names of timm."""

from __future__ import annotations

import re
from collections.abc import Sequence

B0_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
B4_BLOCKS = (2, 4, 4, 6, 6, 8, 2)
"""How many blocks each stage has; published checkpoints number them through."""
NAMES = (
    (r"^_bn1\.", "bn2."),
    (r"^_bn0\.", "bn1."),
    (r"^_conv_(stem|head)\.", r"conv_\1."),
    (r"^_fc\.", "classifier."),
    (r"\b_se_(reduce|expand)\.", r"se.conv_\1."),
    (r"\b_depthwise_conv\.", "conv_dw."),
)
"""Published names and timm's, applied in this order."""
EXPANDING = {"_expand_conv": "conv_pw", "_project_conv": "conv_pwl", "_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}
FIRST_STAGE = {"_project_conv": "conv_pw"} | {name: name.strip("_") for name in ("_bn1", "_bn2")}
"""Layers of a block by their published names; those of the first stage have nothing to expand."""


def stages_of(blocks: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(stage, place in it) of each block, in their order."""
    return tuple((stage, place) for stage, count in enumerate(blocks) for place in range(count))


def timm_name(key: str, blocks: Sequence[int]) -> str:
    """The name that timm's `tf_efficientnet` has for a published one: `_blocks.3._bn0.weight` -> `blocks.2.0.bn1.weight`."""
    if block := re.match(r"_blocks\.(\d+)\.(\w+)", key):
        stage, place = stages_of(blocks)[int(block[1])]
        layer = (EXPANDING if stage else FIRST_STAGE).get(block[2], block[2])
        key = f"blocks.{stage}.{place}.{layer}{key[block.end() :]}"
    for published, ours in NAMES:
        key = re.sub(published, ours, key)
    return key
