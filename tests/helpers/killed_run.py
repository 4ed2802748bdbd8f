"""Trains a small run and kills itself in the middle of writing: ``killed_run.py OUT QUANTIZER MOMENT``.

MOMENT is the number of the time that something is brought to the disk or renamed. Of a file that is being brought to
the disk half of what is new is there then; what was brought there before stays. With ``vqgan`` in place of the
quantizer it is a VQGAN with exact SCQ; with ``resume`` it goes on with the run in OUT, and is killed in the same way.
"""

import os
import signal
import stat
import sys
from pathlib import Path

from small_runs import VQGAN, few_photos, kept

from scq import data
from scq.training import resume, train

out, what, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
few = few_photos()
data.load = lambda name, root=None, **settings: few
sync, replace, moments = os.fsync, Path.replace, 0
lasting: dict[int, int] = {}
"""Bytes that were brought to the disk, by the number of the file, which it keeps when it is renamed."""


def die_at_the_moment(file: int | None) -> None:
    global moments
    moments += 1
    if moments == fatal:
        if file is not None and stat.S_ISREG(os.fstat(file).st_mode):
            told = os.fstat(file)
            os.truncate(file, (lasting.get(told.st_ino, 0) + told.st_size) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


def sync_or_die(file: int) -> None:
    die_at_the_moment(file)
    sync(file)
    lasting[os.fstat(file).st_ino] = os.fstat(file).st_size


def replace_or_die(path: Path, target: Path) -> Path:
    die_at_the_moment(None)
    return replace(path, target)


os.fsync, Path.replace = sync_or_die, replace_or_die
if what == "resume":
    resume(out / "runs" / "killed", progress=False)
else:
    train(kept(out, name="killed", **VQGAN if what == "vqgan" else {"quantizer": what}), progress=False)
