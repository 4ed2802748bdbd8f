"""Trains a small run and kills itself in the middle of writing: ``killed_run.py OUT QUANTIZER FILE``.

FILE is the number of the file that is being brought to the disk when the kill comes; half of it is there then. With
``resume`` in place of the quantizer, it goes on with the run in OUT and is killed in the same way.
"""

import os
import signal
import stat
import sys
from pathlib import Path

from small_runs import few_photos, kept

from scq import data
from scq.training import resume, train

out, what, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
few = few_photos()
data.load = lambda name, root=None: few
sync, written = os.fsync, 0


def sync_or_die(file: int) -> None:
    global written
    written += 1
    if written == fatal:
        if stat.S_ISREG(os.fstat(file).st_mode):
            os.truncate(file, os.fstat(file).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    sync(file)


os.fsync = sync_or_die
if what == "resume":
    resume(out / "runs" / "killed", progress=False)
else:
    train(kept(out, quantizer=what, name="killed"), progress=False)
