"""Settings of a command from a TOML file. Nothing in it is executed, and what is not known is refused."""

import tomllib
from pathlib import Path
from typing import Any

from scq.cli.grouping import settings_of
from scq.solvers.suggestions import among
from scq.training.kinds import conforming
from scq.training.reading import read_text


def read(path: Path, config: type) -> dict[str, Any]:
    """The settings in a file, by name.

    Args:
        path: of the file, as :meth:`scq.training.Run.write_config` writes run.toml: one line a setting.
        config: the command's, which has the settings in groups or not.

    Raises:
        ValueError: no such file, no TOML, a name that the command does not know, or a value out of range.
        TypeError: a value of another kind.
    """
    if not path.is_file():
        raise ValueError(f"config is '{path}', must be a TOML file with settings (there is no such file)")
    try:
        content = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"config is '{path}', which is no TOML: {error}") from error
    kinds = settings_of(config)
    del kinds["resume"]  # what is gone on with has its settings
    for name in content:
        if name not in kinds:
            raise ValueError(f"config is '{path}', which has {name!r}, {among(name, sorted(kinds), 'must be among')}")
    return {name: conforming(f"'{path}': {name}", value, kinds[name]) for name, value in content.items()}
