"""Fetching a published EMBER archive: resumable, and checked before it gets its name."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dokunuki.errors import ConfigError, CorpusError
from dokunuki.progress import Progress, logger
from dokunuki.storage.files import sha256_of

if TYPE_CHECKING:
    from http.client import HTTPResponse

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60.0


class PublishedRelease(NamedTuple):
    """An archive as EMBER's README lists it."""

    url: str
    sha256: str
    version: int


RELEASES = {
    "ember2017-v1": PublishedRelease(
        "https://ember.elastic.co/ember_dataset.tar.bz2",
        "a5603de2f34f02ab6e21df7a0f97ec4ac84ddc65caee33fb610093dd6f9e1df9",
        1,
    ),
    "ember2017-v2": PublishedRelease(
        "https://ember.elastic.co/ember_dataset_2017_2.tar.bz2",
        "60142493c44c11bc3fef292b216a293841283d86ff58384b5dc2d88194c87a6d",
        2,
    ),
    "ember2018-v2": PublishedRelease(
        "https://ember.elastic.co/ember_dataset_2018_2.tar.bz2",
        "b6052eb8d350a49a8d5a5396fbe7d16cf42848b86ff969b77464434cf2997812",
        2,
    ),
}


def fetch_release(name: str, destination: str | Path) -> None:
    """Fetch the published archive called `name` (see `RELEASES`); raises as `fetch`."""
    if name not in RELEASES:
        raise ConfigError(f"unknown release {name!r}; known: {', '.join(RELEASES)}")
    fetch(RELEASES[name].url, RELEASES[name].sha256, destination)


def fetch(url: str, sha256: str, destination: str | Path) -> None:
    """Download `url` to `destination`, which appears only when its sha256 is right.

    What was received lies in `destination` + ".partial" until then; after an interruption the next
    call goes on from there where the server can, and starts again where it cannot. Nothing is done
    when `destination` has the right checksum already. Raises CorpusError when the server refuses,
    the connection breaks or the checksum is wrong.
    """
    destination = Path(destination)
    if destination.is_file():
        if sha256_of(destination) == sha256:
            logger.info("%s: exists already, and its checksum is right", destination)
            return
        raise CorpusError(
            f"{destination}: exists already, but its sha256 is not {sha256}; delete it and fetch "
            "it again"
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(destination.name + ".partial")
    _download(url, partial)
    found = sha256_of(partial)
    if found != sha256:
        partial.unlink()
        raise CorpusError(
            f"{url}: the sha256 of the download is {found}, not {sha256}, and it was deleted; "
            "fetch it again, and if that fails too, the file on the server has changed"
        )
    partial.replace(destination)


def _download(url: str, partial: Path) -> None:
    """Append to `partial` what it still lacks, or write it anew."""
    have = partial.stat().st_size if partial.is_file() else 0
    try:
        with _request(url, have) as response:
            start = _start(response)
            if have and start == 0:
                logger.info("%s: the server cannot resume; starting again", url)
            _receive(response, partial, start, url)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # nothing is lacking, or it is another file: the checksum tells
        raise CorpusError(
            f"{url}: the server answers {error.code} {error.reason}; check the address, or fetch "
            "the archive by other means and give it as the dataset's path"
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CorpusError(
            f"{url}: the download failed ({reason}); run the same command again to resume it"
        ) from error


def _request(url: str, have: int) -> HTTPResponse:
    if not url.startswith(("https://", "http://")):
        raise CorpusError(f"{url}: only http and https addresses can be fetched; give one of these")
    headers = {"User-Agent": "dokunuki", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)
    response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    return response


def _start(response: HTTPResponse) -> int:
    """Where in the file the body begins: 0 unless the server says that it resumes."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if match is None:
        raise http.client.HTTPException("a partial answer that does not say where it starts")
    return int(match[1])


def _receive(response: HTTPResponse, partial: Path, start: int, url: str) -> None:
    length = response.headers.get("Content-Length")
    total = start + int(length) if length is not None else None
    name = url.rsplit("/", 1)[-1]
    progress = Progress(f"fetch {name} (MB)", _megabytes(total or 0))
    with partial.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        while block := response.read(_BLOCK):
            file.write(block)
            if total is not None:
                progress.update(_megabytes(file.tell()))
        received = file.tell()
    if total is not None and received < total:
        raise http.client.HTTPException(f"the connection broke after {received} of {total} bytes")


def _megabytes(size: int) -> int:
    return -(-size // (1 << 20))
