"""wav2vec 2.0 encoders (Baevski et al., NeurIPS 2020, arXiv:2006.11477; XLS-R: Babu et al. 2021, arXiv:2111.09296) by
configuration alone, and the names that fairseq's checkpoints give their weights."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Literal

from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

CONV_LAYERS = 7
UNUSED = ("mask_emb", "quantizer.", "project_q.", "final_proj.")
"""What fairseq's checkpoints carry for training alone."""
RENAMED = (
    (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"^feature_extractor\.conv_layers\.(\d+)\.2\.(1\.)?", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"^layer_norm\.", r"feature_projection.layer_norm."),
    (r"^post_extract_proj\.", r"feature_projection.projection."),
    (r"^encoder\.pos_conv\.0\.", r"encoder.pos_conv_embed.conv."),
    (r"\.self_attn\.", r".attention."),
    (r"\.self_attn_layer_norm\.", r".layer_norm."),
    (r"\.fc1\.", r".feed_forward.intermediate_dense."),
    (r"\.fc2\.", r".feed_forward.output_dense."),
    (r"\.weight_g$", r".parametrizations.weight.original0"),
    (r"\.weight_v$", r".parametrizations.weight.original1"),
)
"""fairseq's names (patterns) to those of transformers. The last two are torch's older names of weight normalisation."""


def current_names(state_dict: Mapping[str, Tensor], prefix: str, to: str) -> dict[str, Tensor]:
    """An encoder's tensors under the names that `SpeechEncoder` has; all other keys as they are.

    prefix: of the encoder's keys, in fairseq's names or those of transformers. to: the prefix that they get.
    """
    named: dict[str, Tensor] = {}
    for key, tensor in state_dict.items():
        if not key.startswith(prefix):
            named[key] = tensor
        elif not (own := key.removeprefix(prefix)).startswith(UNUSED):
            for pattern, new in RENAMED:
                own = re.sub(pattern, new, own)
            named[to + own] = tensor
    return named


class SpeechEncoder(nn.Module):
    """A waveform float (B, n) at 16 kHz to one vector for every 20 ms. The defaults are those of XLS-R and MMS 300M."""

    def __init__(
        self,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
        hidden: int = 4096,
        conv_width: int = 512,
        norm: Literal["layer", "group"] = "layer",
    ) -> None:
        """hidden: width of the feed-forward layers. norm: "group" for wav2vec 2.0 base, which normalises its first
        convolution over time and each layer after its work; "layer" for the larger ones."""
        super().__init__()
        self.norm_first = norm == "layer"
        self.model = Wav2Vec2Model(
            Wav2Vec2Config(
                hidden_size=width,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                intermediate_size=hidden,
                conv_dim=(conv_width,) * CONV_LAYERS,
                feat_extract_norm=norm,
                conv_bias=self.norm_first,
                do_stable_layer_norm=self.norm_first,
                mask_time_prob=0.0,  # no masking, hence no vector for what is masked
                mask_feature_prob=0.0,
                layerdrop=0.0,
            )
        )

    def layers(self, waveform: Tensor) -> Iterator[Tensor]:
        """What each layer gives, in order, (B, frames, width): before the norm that follows the last one."""
        encoder = self.model.encoder
        x, _ = self.model.feature_projection(self.model.feature_extractor(waveform).transpose(1, 2))
        x = x + encoder.pos_conv_embed(x)
        if not self.norm_first:
            x = encoder.layer_norm(x)
        for layer in encoder.layers:
            x = layer(x)
            yield x

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, n) -> (B, frames, width): the last layer, after the norm that follows it in the larger encoders."""
        last = deque(self.layers(waveform), maxlen=1).pop()
        return self.model.encoder.layer_norm(last) if self.norm_first else last
