"""Files on the Hugging Face Hub, asked for and fetched by huggingface_hub: HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold.

Its `http_get` is used, since `hf_hub_download` throws away what has arrived when a download is stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from drishtiksha.errors import DownloadError
from drishtiksha.weights.files import bytes_of, require_room
from drishtiksha.weights.plain import proxied

_LOGIN_NEEDED = (401, 403)
_TOO_MANY = 429


@dataclass(frozen=True)
class HubFile:
    """What the hub says of a file. bytes, commit, etag: None where it does not say."""

    repo: str
    url: str
    bytes: int | None
    commit: str | None
    etag: str | None


def ask(repo: str, name: str, revision: str) -> HubFile:
    """The file `name` of a repository. Nothing is fetched. Raises: DownloadError, with the remedy."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(repo, name, revision=revision)
    with _told(repo, url):
        found = get_hf_file_metadata(url)
    return HubFile(repo, url, found.size or None, found.commit_hash, found.etag)


def fetch(file: HubFile, part: Path, progress: Callable[[int, int | None], None]) -> None:
    """Fetch it to `part`, or what is missing there if it is the beginning of the same file.

    Raises: DownloadError, with the remedy; whatever `progress` raises, and what had arrived stays.
    """
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    etag_file = part.with_name(part.name + ".etag")
    known = etag_file.read_text() if etag_file.is_file() else None
    if known is None or known != file.etag or (file.bytes is not None and bytes_of(part) > file.bytes):
        part.unlink(missing_ok=True)
    etag_file.write_text(file.etag or "")
    have = bytes_of(part)
    require_room(part.parent, (file.bytes or 0) - have)
    with _told(file.repo, file.url), part.open("ab") as out:
        http_get(
            file.url,
            out,
            resume_size=have,
            headers=build_hf_headers(),
            expected_size=file.bytes,
            tqdm_class=_bar(progress),
        )


def _bar(progress: Callable[[int, int | None], None]) -> Any:
    """What huggingface_hub takes for a progress bar of tqdm."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_look: object) -> None:
            self._done, self._total = initial, total
            progress(initial, total)

        def update(self, more: int) -> None:
            self._done += more
            progress(self._done, self._total)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
            pass

    return Bar


@contextmanager
def _told(repo: str, url: str) -> Iterator[None]:
    """Raises: DownloadError for what huggingface_hub raises."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    try:
        with proxied():
            yield
    except OfflineModeIsEnabled as error:
        raise DownloadError(
            f"{url} is not fetched: HF_HUB_OFFLINE is set. Unset it, or fetch the file on another machine and take it in "
            "with drishtiksha weights import."
        ) from error
    except HfHubHTTPError as error:
        raise DownloadError(_refusal(repo, url, error.response.status_code)) from error
    except (HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's
        raise DownloadError(
            f"{url} could not be fetched ({error or type(error).__name__}). Check the connection (and HF_ENDPOINT, where "
            "it is set) and start the download again: it goes on where it stopped."
        ) from error


def _refusal(repo: str, url: str, status: int) -> str:
    from huggingface_hub import constants, get_token

    if status == _TOO_MANY:
        return f"{url} is asked too often (status {status}). Try again in some minutes; with a token in HF_TOKEN more is allowed."
    if status not in _LOGIN_NEEDED:
        return f"{url} answered with status {status}. The publisher may have moved it, or the hub may be down."
    page = f"{constants.ENDPOINT}/{repo}"
    if get_token():
        return (
            f"The token of HF_TOKEN gives no access to {repo} (status {status}). Open {page} in a browser with the account "
            "that it belongs to, accept the terms there, and start the download again."
        )
    return (
        f"{repo} is open only to people who are logged in (status {status}). Open {page} in a browser and accept the terms, "
        f"make a token at {constants.ENDPOINT}/settings/tokens, set HF_TOKEN to it, and start the download again."
    )
