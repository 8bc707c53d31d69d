"""A statement that will not run, and why."""

from __future__ import annotations

NOT_EMULATED = "0A000"
INTERNAL = "XX000"
SYNTAX = "42601"
PERMISSION = "42501"


class Refusal(Exception):  # noqa: N818 (the name that DESIGN gives it)
    """A statement that will not run; raised by what reads it, without a server at hand."""

    def __init__(self, message: str, code: str = INTERNAL, detail: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.detail = message, code, detail

    @classmethod
    def not_emulated(cls, what: str) -> Refusal:
        """Refuse what this emulation does not support, by name."""
        detail = "see src/local_cloud/README.md for what is"
        return cls(f"{what} is not emulated by the local Redshift", NOT_EMULATED, detail)

    @classmethod
    def fails_on_redshift(cls, what: str) -> Refusal:
        """Refuse what PostgreSQL has and Redshift has not."""
        return cls(f"{what} works on PostgreSQL, fails on Redshift", NOT_EMULATED)

    @classmethod
    def no_permission(cls, what: str) -> Refusal:
        """Refuse what no client may touch."""
        return cls(f"permission denied for {what}", PERMISSION)
