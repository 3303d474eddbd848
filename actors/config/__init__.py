"""The configuration: one TOML file, read whole or refused with all its mistakes. What packages import is named here."""

from actors.config.schema import *  # noqa: F403
