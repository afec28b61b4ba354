"""What the detectors of any Hugging Face classifier share: reading its folder strictly, and which labels mean fake."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from drishtiksha.contract import DetectorConfig
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import ConfigError, WeightsMismatchError

if TYPE_CHECKING:
    from torch import Tensor, nn

LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""No hub is asked, and no code that came with a model is run."""
PICKLED = "pytorch_model.bin"
INDEPENDENT = "multi_label_classification"
"""What config.json calls labels of which each has a probability of its own."""
FEW_LABELS = 2
"""With so many, p_fake says what there is to say of them."""


class HFConfig(DetectorConfig):
    fake_labels: tuple[str, ...] = Field(
        min_length=1, description="labels of the folder's config.json that mean fake, in upper or lower case"
    )


class HFDetector(Detector):
    """A published classifier as it is. `model_path` is a folder with config.json, model.safetensors and
    preprocessor_config.json. p_fake is the sum of the softmax over the labels that mean fake."""

    Config = HFConfig

    def __init__(self, config: HFConfig) -> None:
        super().__init__(config)
        self._processor: Any = None
        self._fake: list[int] = []
        self._rest: list[int] = []

    @abstractmethod
    def auto_model(self) -> Any:
        """The class of transformers that finds the network by the folder's config.json."""

    @abstractmethod
    def auto_processor(self) -> Any:
        """The class of transformers that finds what prepares its input."""

    def build(self) -> nn.Module:
        from transformers import AutoConfig

        folder = self.config.model_path
        return self.auto_model().from_config(self._read(AutoConfig, folder), trust_remote_code=False)

    def read_network(self, path: Path) -> nn.Module:
        """Raises: WeightsMismatchError for an incomplete folder, for one that asks for code of its own to be run, and for
        weights that do not fit the network exactly; ConfigError when `fake_labels` are not labels of this model."""
        import torch

        if (path / PICKLED).is_file() and not any(path.glob("*.safetensors*")):
            raise WeightsMismatchError(
                f"{path} holds its weights as {PICKLED}, wanted model.safetensors. Write that with: drishtiksha weights convert "
                f"{path / PICKLED} {path / 'model.safetensors'}"
            )
        # Other shapes are to be reported with the rest rather than raised alone.
        strict = {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
        network, report = self._read(self.auto_model(), path, dtype=torch.float32, **strict)
        if faults := [f"{kind}: {', '.join(sorted(map(str, keys))[:5])}" for kind, keys in report.items() if keys]:
            raise WeightsMismatchError(
                f"The weights in {path} do not fit their own config.json ({'; '.join(faults)}). "
                "Transformers would fill in noise for what is missing; fetch the folder again, or choose another model."
            )
        self._fake, self._rest = self._split(network.config.id2label)
        self._processor = self._read(self.auto_processor(), path)
        return network

    @property
    def processor(self) -> Any:
        """What the publisher prepares the input with; read together with the network."""
        _ = self.network
        return self._processor

    def forward(self, batch: Tensor) -> Tensor:
        return self.detailed(batch)[0]

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Logits whose sigmoid is the softmax summed over `fake_labels`; with three labels or more, each one's share. Of labels
        that do not exclude each other, and of a single one, the highest logit of those that mean fake."""
        network: Any = self.network
        logits = network(**{network.main_input_name: batch}).logits.float()
        if not self._rest or getattr(network.config, "problem_type", None) == INDEPENDENT:
            return logits[:, self._fake].amax(dim=1), {}
        fake = logits[:, self._fake].logsumexp(dim=1) - logits[:, self._rest].logsumexp(dim=1)
        if logits.shape[1] <= FEW_LABELS:
            return fake, {}
        shares = logits.softmax(dim=1)
        return fake, {_measure(network.config.id2label[i]): shares[:, i] for i in range(shares.shape[1])}

    def _read(self, kind: Any, folder: Path, **options: Any) -> Any:
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            return kind.from_pretrained(folder, **LOCAL, **options)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0][:200]
            raise WeightsMismatchError(
                f"{folder} cannot be read as a model ({reason}). Wanted a folder with config.json, model.safetensors and "
                f"preprocessor_config.json of a model that transformers knows. Get it with: drishtiksha weights pull "
                f"{self.model_name}"
            ) from error

    def _split(self, labels: Mapping[int, str]) -> tuple[list[int], list[int]]:
        """Which outputs mean fake, and which do not."""
        wanted = {label.casefold() for label in self.config.fake_labels}
        known = {label.casefold() for label in labels.values()}
        fake = [i for i, label in labels.items() if label.casefold() in wanted]
        rest = [i for i in labels if i not in fake]
        if len(labels) == 1 and not wanted - known:
            return fake, []  # one output: how much it speaks for its label
        if wanted - known or not rest:
            raise ConfigError(
                f"{self.model_name}: fake_labels is {list(self.config.fake_labels)}, but the labels of "
                f"{self.config.model_path} are {list(labels.values())}. Name those that mean fake, and leave one that does not."
            )
        return fake, rest


def _measure(label: str) -> str:
    """A label as the name of a measure: "Real Photo" -> label_real_photo."""
    return "label_" + "".join(c if c.isalnum() else "_" for c in label.casefold())
