"""LIP-FD-V1: whether the lips move as the voice would have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, ClipPlan, DetectorConfig, FaceRequest, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from drishtiksha.networks.lipfd_recipes import Recipe

FACE = FaceRequest("blazeface", min_size=40, most=1)
TEXT_TOWER = (
    "encoder.transformer.",
    "encoder.token_embedding.",
    "encoder.ln_final.",
    "encoder.positional_embedding",
    "encoder.text_projection",
    "encoder.logit_scale",
)
"""What the checkpoint carries of CLIP and the method never uses: its text tower, and what compares texts with pictures."""
CROPPED_SHARE = 0.15
"""A face on less of the frame than this is far from the clips of single faces that the network learned from; ours."""


class LipFDConfig(DetectorConfig):
    num_windows: int = Field(default=200, gt=0, description="runs of five frames, evenly spread over the video")
    preprocessing: Literal["released", "reference"] = Field(
        default="released",
        description="as the authors' code prepared what the checkpoint learned from, or as the server",
    )
    crop_stride: Literal[500, 1] = Field(
        default=500, description="columns between crops: 500 = frame by frame, 1 = as the authors' loader does"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="bfloat16", description="bfloat16 moved p_fake by 0.0012 at most; float32 where the processor lacks it"
    )
    batch_size: int = Field(default=4, gt=0)
    clip_width: int = Field(default=1024, gt=0, description="of the published CLIP ViT-L/14")
    clip_layers: int = Field(default=24, gt=0)
    clip_heads: int = Field(default=16, gt=0)
    resnet_layers: tuple[int, int, int, int] = Field(default=(3, 4, 6, 3), description="of the published ResNet-50")


class LipFDetectorV1(Detector):
    """Lips against voice: five frames in a row under the mel spectrogram of what is heard meanwhile.

    Paper: Liu et al., NeurIPS 2024, arXiv:2401.15668. Checkpoint: `ckpt.pth` of the authors' Google Drive (AaronComo/LipFD),
    a dict with `model`; its text tower is left out. Polarity: logit above 0 is fake. The reference takes the five crops
    from RGB frames standardised on values of 0-255; the checkpoint learned from BGR as it is, which `preprocessing` chooses
    by default. In the authors' loader the five crops begin at x = 0 to 4 px instead of frame by frame: `crop_stride` offers
    both. The reference also judges frames without a face and stretches of silence: wrong; here they are gaps.

    Windows begin where theirs do: at linspace(0, frames - 6). The strip of the spectrogram is cut by the time stamps of the frames;
    theirs by the share of the frames, which is another moment where sound and picture do not begin together.
    """

    Config = LipFDConfig
    fold_batch_norms = True

    def sampling(self, media: MediaInfo) -> ClipPlan:
        from drishtiksha.features.lip_picture import is_silent, mel_picture
        from drishtiksha.networks.lipfd_recipes import FRAMES

        rate, whole = self._recipe().sample_rate, round if self._recipe().rounded else int
        listen, count = partial(mel_picture, sample_rate=rate), self.config.num_windows
        return ClipPlan(
            count, FRAMES, sample_rate=rate, listen=listen, silent=is_silent, faces=FACE, spared=1, whole=whole
        )

    def build(self) -> nn.Module:
        from drishtiksha.networks.lipfd import LipFD

        config = self.config
        return LipFD(config.clip_width, config.clip_layers, config.clip_heads, config.resnet_layers)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {key: tensor for key, tensor in state_dict.items() if not key.startswith(TEXT_TOWER)}

    def packable(self, network: Any) -> Sequence[nn.Module]:
        return (network.encoder,)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One uint8 (3, 1000, 2500) RGB, the whole picture; the network's inputs are cut from it on its device."""
        import torch

        from drishtiksha.features.lip_picture import lip_picture

        assert sample.frame is not None
        assert sample.sound is not None
        x0, y0, x1, y1 = sample.faces[0].box
        sample.measures["face_share"] = (x1 - x0) * (y1 - y0) / (sample.frame.shape[0] * sample.frame.shape[1])
        return [torch.from_numpy(lip_picture(sample.frames, sample.sound))]

    def forward(self, batch: Tensor) -> Tensor:
        from drishtiksha.networks.lipfd import split_picture

        return self.network(*split_picture(batch, self._recipe(), self.config.crop_stride))

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean of the windows, as in the reference."""
        judged = [score for score in scores if score.p_fake is not None]
        shares = [score.measures["face_share"] for score in judged if "face_share" in score.measures]
        notes: tuple[str, ...] = ()
        if shares and np.median(shares) < CROPPED_SHARE:
            notes = (
                f"The face fills about {np.median(shares):.0%} of the picture. This network learned from clips cropped "
                "to one face and looks at whole frames: crop the clip to the speaker and examine it again.",
            )
        return Aggregate(scoring.mean_p_fake(scores), scoring.tally(scores, "window"), notes)

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """What the middle frame adds to the score, seen as a whole; its inner crops and the sound are not shown."""
        from drishtiksha.explain.gradcam import gradcam
        from drishtiksha.explain.maps import Method, to_heatmap
        from drishtiksha.explain.occlusion import occlusion
        from drishtiksha.networks.lipfd import split_picture
        from drishtiksha.networks.lipfd_recipes import FRAMES

        backbone: Any = self.network.backbone
        picture = self.preprocess(sample)[0][None].to(self._device())
        middle = split_picture(picture, self._recipe())[1][:, 0, FRAMES // 2]
        method: Method = "occlusion" if self.config.explain == "occlusion" else "gradcam"
        if method == "gradcam":
            values = gradcam(lambda crop: self._work(backbone.maps, crop).clone(), backbone.share, middle)[0]
        else:
            values = occlusion(self._share_alone, middle[0], batch_size=self.config.batch_size)
        return [to_heatmap(values, sample, score, method, face=None, region=None)]

    def _share_alone(self, crops: Tensor) -> np.ndarray:
        backbone: Any = self.network.backbone
        return self._work(lambda batch: backbone.share(backbone.maps(batch)), crops).float().cpu().numpy()

    def _recipe(self) -> Recipe:
        from drishtiksha.networks.lipfd_recipes import REFERENCE, RELEASED

        return RELEASED if self.config.preprocessing == "released" else REFERENCE
