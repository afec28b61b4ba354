"""The public endpoints for `gradio_client`: `/examine`, `/analyze` and `/list_models`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from drishtiksha.casefile import JobView, Viewer
from drishtiksha.errors import CaseGoneError, without_server_paths
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.shared.desk import Desk, discard_upload
from drishtiksha.ui.shared.failure import failure_line


def examine(desk: Desk, file: str | None, viewer: Viewer, everything: bool = False) -> dict[str, Any]:
    """The `Answer` of all proven detectors that fit, as JSON; slow ones with `everything`. Nothing of the file is kept.

    Raises: gr.Error with a sentence.
    """
    with _taken(desk, file, lambda path, name: desk.take(path, name, viewer)) as case:
        _ended(desk, case.examine(everything=everything), viewer)
        return case.answer().model_dump(mode="json")


def analyze(desk: Desk, file: str | None, model_name: str, viewer: Viewer) -> dict[str, Any]:
    """The `AnalysisResult` of one file as JSON. Nothing of the file is kept. Raises: gr.Error with a sentence."""
    with _taken(desk, file, desk.workbench.seen_by(viewer).take) as case:
        return _ended(desk, case.submit([model_name]), viewer).results[0].model_dump(mode="json")


@contextlib.contextmanager
def _taken(desk: Desk, file: str | None, take: Callable[[Path, str], OpenCase]) -> Iterator[OpenCase]:
    """A case that is deleted again, with the upload. Raises: gr.Error with a sentence for whatever goes wrong."""
    if file is None:
        raise gr.Error("No file was given. Send one with handle_file().")
    path = Path(file)
    case: OpenCase | None = None
    try:
        case = take(path, path.name)
        yield case
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(failure_line(error), print_exception=False) from error
    finally:
        discard_upload(path, desk.settings.upload_kept_s)
        if case is not None:
            with contextlib.suppress(CaseGoneError):  # deleted meanwhile: the answer, or why there is none, still holds
                case.delete()


def _ended(desk: Desk, job_id: str, viewer: Viewer) -> JobView:
    """The job, with a result at least. Raises: gr.Error where it has none."""
    ended = desk.workbench.seen_by(viewer).ended(job_id)
    if not ended.results:
        why = " ".join(ended.errors.values()) or "The analysis was stopped; nothing was concluded."
        raise gr.Error(without_server_paths(why), print_exception=False)
    return ended


def list_models(desk: Desk) -> list[dict[str, Any]]:
    """Every configured model: name, state, what it takes, what it looks at and what it cannot see."""
    return [
        {
            "name": status.name,
            "state": status.state,
            "description": status.config.description,
            "looks_at": status.config.looks_at,
            "limits": status.config.limits,
            "image": status.config.isImage,
            "video": status.config.isVideo,
            "audio": status.config.isAudio,
            "multimodal": status.config.isMultiModal,
            "experimental": status.config.experimental,
            "remedy": status.remedy,
            "licence": status.licence,
            "licence_class": status.licence_class.value,
        }
        for status in desk.models()
    ]


def build(desk: Desk) -> None:
    """Register the endpoints in the current `gr.Blocks`, through components that are never shown."""

    def _analyze(file: str | None, model_name: str, request: gr.Request) -> dict[str, Any]:
        return analyze(desk, file, model_name, desk.viewer(request))

    def _examine(file: str | None, everything: bool, request: gr.Request) -> dict[str, Any]:
        return examine(desk, file, desk.viewer(request), everything)

    def _list_models() -> list[dict[str, Any]]:
        return list_models(desk)

    with gr.Column(visible=False):
        file = gr.File(type="filepath", label="file")
        # A browser fetches the code of every kind of component, also of those that are never shown; that of `Api` has none.
        model_name = Api("", {"type": "string"}, label="model_name")
        everything = Api(False, {"type": "boolean"}, label="everything")
        answer = Api(None, {}, label="result")
        models = Api(None, {}, label="models")
        ask = gr.Button()
        ask.click(
            _analyze,
            [file, model_name],
            answer,
            api_name="analyze",
            api_description="Examine one file with one model; answers the AnalysisResult as JSON.",
            concurrency_limit=desk.settings.max_queue,
        )
        question = gr.Button()
        question.click(
            _examine,
            [file, everything],
            answer,
            api_name="examine",
            api_description="Examine one file with all proven detectors that fit (those that are slow here with "
            "everything=True); answers their Answer as JSON.",
            concurrency_limit=desk.settings.max_queue,
        )
        listing = gr.Button()
        listing.click(
            _list_models, [], models, api_name="list_models", api_description="The configured models and their state."
        )
