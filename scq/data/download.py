"""Downloads one file: resumed where it was left, bounded in size, and kept only when its checksum is right."""

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 2**18
_TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as gone."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server, and how to know it.

    Args:
        url: where it is.
        size: its bytes.
        sha256: its checksum, in hexadecimal digits.
    """

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]


def fetch(remote: RemoteFile, folder: Path, progress: Callable[[int], None] = lambda done: None) -> Path:
    """The file in ``folder``, which is made when there is none; downloaded unless it is there already.

    What has come of it waits in ``<name>.part`` until it is complete, so that a call after an interruption goes on from
    there, and a file of the final name is always whole.

    Args:
        remote: the file.
        folder: where to put it.
        progress: called with the number of bytes that are there.

    Returns:
        The path of the file.

    Raises:
        ConnectionError: when the server cannot be reached, refuses, or stops in the middle; what has come is kept.
        ValueError: when the disk has no room for it, what came has another size or checksum (it is then deleted), or a
            file of that name with other content is there.
    """
    target, part = folder / remote.name, folder / f"{remote.name}.part"
    if target.exists():
        if target.stat().st_size != remote.size or _sha256(target) != remote.sha256:
            raise ValueError(f"{target} is there, but is not {remote.url} (its checksum differs); move it away first")
        progress(remote.size)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    done = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(folder).free
    if free < remote.size - done:
        raise ValueError(f"{folder} has {free} bytes free, {remote.name} needs {remote.size - done} more")
    if done < remote.size:
        try:
            _receive(remote, part, done, progress)
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(_explain(remote, folder, error)) from error
    size = part.stat().st_size
    if size < remote.size:
        raise ConnectionError(
            f"{remote.url} ended after {size} of {remote.size} bytes; run the same command again to go on from there"
        )
    if size > remote.size or _sha256(part) != remote.sha256:
        part.unlink()
        raise ValueError(f"{remote.url} sent another file than the one expected (size or checksum differ); deleted")
    return part.replace(target)


def _receive(remote: RemoteFile, part: Path, done: int, progress: Callable[[int], None]) -> None:
    """Appends what is missing; begins anew when the server does not go on from there."""
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        done = done if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            # One byte more than expected is enough to see that it is another file.
            while done <= remote.size and (block := answer.read(min(_BLOCK, remote.size + 1 - done))):
                file.write(block)
                done += len(block)
                progress(done)


def _explain(remote: RemoteFile, folder: Path, error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{remote.url} answered {error.code} {error.reason}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return (
        f"{remote.url} cannot be downloaded ({reason}); run the same command again, or get the file elsewhere and put "
        f"it into {folder}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
