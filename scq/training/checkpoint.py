"""Checkpoints on disk: folders of files, whole or not there.

A checkpoint is ``checkpoints/step-00000100`` in the run's folder. It is written under another name, brought to the
disk, and renamed; whatever kills the process on the way leaves the checkpoints before it as they were. Its manifest has
the size and SHA-256 of every file, so that a damaged one is known. What the files hold is not known here.

Accelerate's ``save_state`` is not used: it pickles, and what it was killed in is not told from what is whole.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scq.solvers.folders import existing
from scq.training.folder import CHECKPOINTS, sync_folder
from scq.training.reading import parse_json, read_text

if TYPE_CHECKING:
    from torch import nn

_MANIFEST = "manifest.json"
_KEPT = 2
"""The newest, and one to fall back on when that is damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read.

    Attributes:
        step: after which it was written.
        files: their content by name.
    """

    step: int
    files: dict[str, bytes]


class DamagedError(Exception):
    """A checkpoint that is not what was written; the message says which and why."""


class Checkpoints:
    """Those of one run.

    Args:
        run: its folder, which need not be there yet.
    """

    def __init__(self, run: Path) -> None:
        self._run, self._folder = run, run / CHECKPOINTS

    def check_space(self, model: "nn.Module") -> None:
        """Whether the disk takes all checkpoints that there will be at a time.

        Args:
            model: of the run.

        Raises:
            ValueError: it does not.
        """
        there, folder = min(len(self.steps()), _KEPT), existing(self._run)
        # The weights, and two moving averages of Adam; what is kept, and what is being written.
        needed = (_KEPT + 1 - there) * 3 * sum(value.nbytes for value in model.state_dict().values())
        free = shutil.disk_usage(folder).free
        if free < needed:
            megabytes = f"{free / 1e6:.1f} MB free, must have {needed / 1e6:.1f} MB"
            raise ValueError(f"out is on the disk of '{folder}', which has {megabytes} for the checkpoints")

    def write(self, step: int, files: Mapping[str, bytes]) -> None:
        """Writes the checkpoint of a step, and then removes all but the newest two.

        Raises:
            OSError: it could not be written. The earlier ones are as they were.
        """
        folder = self._folder
        if not folder.is_dir():
            folder.mkdir()
            sync_folder(self._run)
        partial = folder / f".step-{step:08d}.partial"
        _remove(partial)
        partial.mkdir()
        manifest = {name: {"size": len(content), "sha256": _sha256(content)} for name, content in files.items()}
        text = json.dumps({"step": step, "files": manifest}, indent=2) + "\n"
        try:
            for name, content in {**files, _MANIFEST: text.encode()}.items():
                with (partial / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            sync_folder(partial)
            _remove(self._path(step))
            partial.replace(self._path(step))
            sync_folder(folder)
        except OSError:
            _remove(partial)  # on a full disk, the room that it took
            raise
        for old in self.steps()[_KEPT:]:
            _remove(self._path(old))

    def steps(self) -> list[int]:
        """The steps of the checkpoints that a run has, whole or damaged, the newest first."""
        names = (path.name.removeprefix("step-") for path in self._folder.glob("step-*"))
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def read(self, step: int) -> Checkpoint:
        """The checkpoint of a step.

        Raises:
            DamagedError: it is not what was written.
        """
        folder = self._path(step)
        try:
            manifest = parse_json(read_text(folder / _MANIFEST), _MANIFEST)
            if manifest["step"] != step:
                raise DamagedError(f"'{folder}' says that it is of step {manifest['step']}")
            files = {name: _content(folder, name, manifest["files"][name]) for name in manifest["files"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"'{folder}' cannot be read: {type(error).__name__}: {error}") from error
        return Checkpoint(step, files)

    def newest(self) -> tuple[Checkpoint | None, list[DamagedError]]:
        """The newest checkpoint that is whole, None when there is none, and why newer ones are not."""
        damaged = []
        for step in self.steps():
            try:
                return self.read(step), damaged
            except DamagedError as error:
                damaged.append(error)
        return None, damaged

    def discard(self, after: int) -> None:
        """Removes the checkpoints of later steps, and what a killed process left half written."""
        for step in self.steps():
            if step > after:
                _remove(self._path(step))
        for partial in self._folder.glob(".step-*.partial"):
            _remove(partial)

    def clear(self) -> None:
        """Removes all, of a run that has finished."""
        _remove(self._folder)

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"


def _content(folder: Path, name: str, written: dict[str, Any]) -> bytes:
    """Looks at the size first: a manifest from somebody else may name a file without end."""
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise DamagedError(f"'{folder}' has no file {name!r}")
    content = path.read_bytes() if path.stat().st_size == written["size"] else b""
    if len(content) != written["size"] or _sha256(content) != written["sha256"]:
        raise DamagedError(f"'{path}' has not the size and SHA-256 that it was written with")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
