"""Whether a file that a person fetched is a detector's, tried on its network before it is taken in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.trial import try_out
from drishtiksha.errors import DrishtikshaError, WeightsError, WeightsMismatchError, WeightsMissingError
from drishtiksha.weights import Part, accept, copy_in, differences, fitted, load_state_dict, unpacked

if TYPE_CHECKING:
    from torch import Tensor

LANDMARKS = ".dat"
"""A companion of dlib's, no state dict."""


def take_in(detector: Detector, given: Path, place: Part, *, force: bool = False) -> None:
    """Copy `given` to its place and pin it, once its hash and its layout are right. force: also over another file. Of the
    archive that its publisher offers, the one member that is wanted is taken.

    Raises: WeightsMismatchError; DownloadError when it cannot be written. Nothing is left behind by either.
    """
    with unpacked(given, place.path, place.source) as file:
        digest = accept(file, place.path, place.source, force=force)
        check(detector, file, place.name)
        copy_in(file, place.path, place.source, digest)


def check(detector: Detector, given: Path, part: str = "") -> None:
    """Hold the names and shapes in `given` against the network, then compute with it once where all files are here.

    `part` names the companion that it is to be. Tensors of companions are not expected in the checkpoint itself.

    Raises: WeightsMismatchError that names what is missing, unexpected or of another shape, or why nothing was computed.
    """
    wanted_path = detector.config.companions[part].path if part else detector.config.model_path
    if wanted_path.suffix == LANDMARKS:
        from drishtiksha.faces.dlib68 import check_landmarks_file

        check_landmarks_file(given)
        return
    trial = _trial(detector, given, part)
    if given.is_file():
        found, wanted = _found_and_wanted(trial, given, part)
        if faults := differences(wanted, found):
            raise WeightsMismatchError(
                f"{given.name} does not fit {detector.model_name}{f' ({part})' if part else ''}: {faults}. It belongs to "
                "another model or release. Nothing was changed."
            )
    with suppress(WeightsMissingError):  # another of its files is not here yet: the first use will tell
        try_out(trial.borrow(trial.config.model_path))


def owners(detectors: Mapping[str, Detector], given: Path) -> list[str]:
    """The names of those detectors whose checkpoint `given` is, by the names and shapes of its tensors."""
    found: list[str] = []
    with suppress(WeightsError):
        tensors = load_state_dict(given)
        for name, detector in detectors.items():
            with suppress(DrishtikshaError):
                wanted = _own_part(detector)
                if not differences(wanted, fitted(tensors, wanted, detector.remap, name)):
                    found.append(name)
    return found


def _own_part(detector: Detector) -> Mapping[str, Tensor]:
    import torch

    with torch.device("meta" if detector.build_on_meta else "cpu"):
        return detector.own_part(detector.build().state_dict())


def _trial(detector: Detector, given: Path, part: str) -> Detector:
    """A detector that has `given` in the place of its checkpoint, or of its companion `part`."""
    config = detector.config
    if not part:
        return type(detector)(config.model_copy(update={"model_path": given}))
    further = config.companions | {part: config.companions[part].model_copy(update={"path": given})}
    return type(detector)(config.model_copy(update={"companions": further}))


def _found_and_wanted(trial: Detector, given: Path, part: str) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    import torch

    with torch.device("meta" if trial.build_on_meta else "cpu"):
        wanted = trial.build().state_dict()
    own = trial.own_part(wanted)
    if not part:
        return fitted(load_state_dict(given), own, trial.remap, trial.model_name), own
    try:
        return trial.merge(own), wanted
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise WeightsMismatchError(
            f"{given.name} is not laid out as {trial.model_name} needs it ({type(error).__name__}: {error}). "
            "Nothing was changed."
        ) from error
