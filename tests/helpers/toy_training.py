"""Trains the toy model, for a launcher of several processes: the folder, and settings as JSON."""

import json
import sys
from pathlib import Path

from toy_model import INFO, POINTS

from scq import data, models
from scq.training import TrainConfig, train

if __name__ == "__main__":
    models.register(INFO)
    data.register(POINTS)
    train(TrainConfig(out=Path(sys.argv[1]), **json.loads(sys.argv[2])), progress=False)
