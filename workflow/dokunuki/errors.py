"""The errors that a user can mend: each message names the file, line or key, and the mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class DokunukiError(Exception):
    """Base of all errors whose cause is the user's input; shown without a traceback."""


class ConfigError(DokunukiError):
    """The configuration is wrong; the message names the key."""


class CorpusError(DokunukiError):
    """The raw feature files are wrong; the message names file and line."""


class DataFileError(DokunukiError):
    """A file that an earlier step wrote is missing, truncated or damaged."""


class DiskFullError(DokunukiError):
    """No space was left to write a file."""


class AttackError(DokunukiError):
    """An attack cannot be carried out as asked, e.g. a trigger larger than its feature set."""


class DeviceError(DokunukiError):
    """The device asked for is not on this machine."""


def missing_file(path: str | Path, target: str | Path | None = None) -> DataFileError:
    """The error for a file that is not there; `target` as for `damaged_file`."""
    return DataFileError(
        f"{path}: no such file; build it: `snakemake --cores all {target or path}`"
    )


def unreadable_file(path: str | Path, error: OSError) -> DataFileError:
    """The error for a path that exists and cannot be read: a folder, links in a circle, ..."""
    return DataFileError(
        f"{path}: cannot be read ({error.strerror or error}); make it a file that you may read, or "
        "delete it, and run the same command again"
    )


def damaged_file(path: str | Path, problem: str, target: str | Path | None = None) -> DataFileError:
    """The error for a file that cannot be trusted, with how to rebuild it.

    `target` is what the workflow builds, where that is not the file itself but its folder. The same
    command again comes first, since it keeps the options that the file was built with.
    """
    target = target or path
    return DataFileError(
        f"{path}: {problem}; rebuild it: delete {target} and run the same command again, or "
        f"`snakemake --cores all {target}`"
    )
