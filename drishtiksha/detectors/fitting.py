"""Whether a file that a person fetched is a detector's, tried on its network before it is taken in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from drishtiksha.detectors.base import Detector
from drishtiksha.errors import WeightsMismatchError
from drishtiksha.weights import Part, accept, copy_in, differences, load_state_dict

if TYPE_CHECKING:
    from torch import Tensor

LANDMARKS = ".dat"
"""A companion of dlib's, no state dict."""


def take_in(detector: Detector, given: Path, place: Part, *, force: bool = False) -> None:
    """Copy `given` to its place and pin it, once its hash and its layout are right. force: also over another file.

    Raises: WeightsMismatchError; DownloadError when it cannot be written. Nothing is left behind by either.
    """
    digest = accept(given, place.path, place.source, force=force)
    check(detector, given, place.name)
    copy_in(given, place.path, place.source, digest)


def check(detector: Detector, given: Path, part: str = "") -> None:
    """Hold the names and shapes in `given` against the network; `part` names the companion that it is to be.

    Tensors of companions are not expected in the checkpoint itself. Nothing is computed and no memory filled: the network
    is built without weights.

    Raises: WeightsMismatchError that names what is missing, unexpected or of another shape.
    """
    wanted_path = detector.config.companions[part].path if part else detector.config.model_path
    if wanted_path.suffix == LANDMARKS:
        from drishtiksha.faces.dlib68 import check_landmarks_file

        check_landmarks_file(given)
        return
    if given.is_dir():
        type(detector)(detector.config.model_copy(update={"model_path": given})).read_network(given)
        return
    found, wanted = _found_and_wanted(detector, given, part)
    if faults := differences(wanted, found):
        raise WeightsMismatchError(
            f"{given.name} does not fit {detector.model_name}{f' ({part})' if part else ''}: {faults}. It belongs to "
            "another model or release. Nothing was changed."
        )


def _found_and_wanted(detector: Detector, given: Path, part: str) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    import torch

    companions = detector.config.companions
    with torch.device("meta" if detector.build_on_meta else "cpu"):
        wanted = detector.build().state_dict()
    prefixes = tuple(f"{name}." for name in companions)
    own = {key: tensor for key, tensor in wanted.items() if not key.startswith(prefixes)}
    if not part:
        return detector.remap(load_state_dict(given)), own
    further = companions | {part: companions[part].model_copy(update={"path": given})}
    trial = type(detector)(detector.config.model_copy(update={"companions": further}))
    try:
        return trial.merge(own), wanted
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise WeightsMismatchError(
            f"{given.name} is not laid out as {detector.model_name} needs it ({type(error).__name__}: {error}). "
            "Nothing was changed."
        ) from error
