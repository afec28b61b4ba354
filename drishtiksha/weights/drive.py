"""Files on Google Drive, fetched by gdown, which passes the page that asks for a confirmation. No cookies are kept."""

from __future__ import annotations

import glob
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drishtiksha.errors import DownloadError
from drishtiksha.weights.files import bytes_of, require_room

RETRIES = 4
CONNECT_S, READ_S = 15.0, 60.0
KEPT_S = 86_400
"""How old a beginning may be that no hash proves: its publisher may put a new file under the old id."""


def address(file_id: str) -> str:
    """What a person opens to see the file."""
    return f"https://drive.google.com/file/d/{file_id}/view"


def folder_address(folder_id: str) -> str:
    return f"https://drive.google.com/drive/folders/{folder_id}"


def find(folder_id: str, name: str) -> str:
    """The id of the file `name` of a shared folder or of a folder in it, whatever case and separators its name has there.

    Raises: DownloadError that lists what the folder has.
    """
    from gdown import download_folder

    place = folder_address(folder_id)
    with _told(place):
        listed = download_folder(
            id=folder_id, skip_download=True, quiet=True, use_cookies=False, timeout=(CONNECT_S, READ_S)
        )
    ids = {Path(str(file.path)).name: str(file.id) for file in listed if not isinstance(file, str)}
    alike = [there for there in ids if _plain(there) == _plain(name)]
    found = name if name in ids else alike[0] if len(alike) == 1 else None
    if found is None:
        raise DownloadError(f"{place} has no file {name}. It has: {', '.join(sorted(ids)) or 'none that is public'}.")
    return ids[found]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name).casefold()


def fetch(file_id: str, part: Path, progress: Callable[[int, int | None], None], *, provable: bool) -> None:
    """Fetch a file to `part`, or what is missing of it.

    provable: a hash will tell whether a beginning that lies there and the rest are of one file.

    Raises: DownloadError, with the remedy; whatever `progress` raises, and what had arrived stays.
    """
    from gdown import download

    if not provable:
        part.unlink(missing_ok=True)
    resume = _one_beginning(part, provable)
    room_checked, raised = False, []

    def told(done: int, total: int | None) -> None:
        nonlocal room_checked
        try:
            if not room_checked and total is not None:
                require_room(part.parent, total - done)
                room_checked = True
            progress(done, total)
        except BaseException as error:
            raised.append(error)
            raise

    with _told(address(file_id), raised):
        download(
            id=file_id,
            output=str(part),
            quiet=True,
            use_cookies=False,
            resume=resume or provable,
            progress=told,
            timeout=(CONNECT_S, READ_S),
            retries=RETRIES,
        )


def _one_beginning(part: Path, provable: bool) -> bool:
    """Leave at most one unfinished file of gdown (`<part>????????.part`); whether there is one."""
    found = sorted(part.parent.glob(f"{glob.escape(part.name)}????????.part"), key=bytes_of)
    usable = [file for file in found if provable or time.time() - file.stat().st_mtime < KEPT_S][-1:]
    for file in found:
        if file not in usable:
            file.unlink()
    return bool(usable)


@contextmanager
def _told(place: str, own: list[BaseException] | None = None) -> Iterator[None]:
    """Raises: DownloadError for what gdown raises; errors of the disk and those in `own` pass."""
    import requests
    from gdown.exceptions import DownloadError as Incomplete
    from gdown.exceptions import FileURLRetrievalError

    try:
        yield
    except FileURLRetrievalError as error:
        raise DownloadError(
            f"Google Drive does not give {place} to a program: it is not public, or too many people fetched it lately. "
            "Try again tomorrow, or open it in a browser and import it with drishtiksha weights import."
        ) from error
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "unknown"
        raise DownloadError(
            f"{place} answered with status {status}. Its owner may have moved it, or Google asks to try again later."
        ) from error
    except (requests.RequestException, Incomplete) as error:
        if error in (own or ()):
            raise
        raise DownloadError(
            f"{place} could not be fetched ({error}). Check the connection and start the download again: it goes on where "
            "it stopped."
        ) from error
    except (KeyError, AssertionError, AttributeError, TypeError) as error:  # a page that gdown does not know
        if error in (own or ()):
            raise
        raise DownloadError(
            f"Google Drive answered for {place} in a way that is not known here. Open it in a browser and import the file "
            "with drishtiksha weights import."
        ) from error
