"""The data of a run."""

import dataclasses

from scq import data
from scq.data.dataset import Dataset
from scq.data.registry import get
from scq.training.config import CommonConfig, TrainConfig


def loaded(config: CommonConfig) -> Dataset:
    """The data set of a run, whole.

    Raises:
        FileNotFoundError: the data is not where it is looked for.
        ValueError: it cannot be read as the settings ask.
    """
    return data.load(config.data, config.data_root, **get(config.data).options(config))


def images_of(config: TrainConfig, given: Dataset | None = None) -> Dataset:
    """The examples that a run trains and is tested on.

    With ``config.validation_share`` that share of the training examples stands in place of the test ones: the last
    ones in the order of the data set, so that of photographs, whose tiles follow each other, at most one is on both
    sides.

    Raises:
        FileNotFoundError: the data is not where it is looked for.
        ValueError: nothing would be left on one side.
    """
    images, share = given or loaded(config), config.validation_share
    if share == 0:
        return images
    kept = len(images.train) - round(share * len(images.train))
    if not 0 < kept < len(images.train):
        raise ValueError(
            f"validation_share is {share}, must leave at least one of the {len(images.train)} training pictures on "
            "either side"
        )
    train, test = images.train.narrow(0, 0, kept), images.train.narrow(0, kept, len(images.train) - kept)
    return dataclasses.replace(images, train=train, test=test)
