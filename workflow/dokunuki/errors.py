"""The errors that a user can mend: each message names the file, line or key, and the mend."""

from __future__ import annotations


class DokunukiError(Exception):
    """Base of all errors whose cause is the user's input; shown without a traceback."""


class ConfigError(DokunukiError):
    """The configuration is wrong; the message names the key."""


class CorpusError(DokunukiError):
    """The raw feature files are wrong; the message names file and line."""


class DataFileError(DokunukiError):
    """A file that an earlier step wrote is missing, truncated or damaged."""


class AttackError(DokunukiError):
    """An attack cannot be carried out as asked, e.g. a trigger larger than its feature set."""


class DeviceError(DokunukiError):
    """The device asked for is not on this machine."""
