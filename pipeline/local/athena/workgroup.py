"""A workgroup: where results go, how they are encrypted, and how much a query may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.local.athena.errors import RequestRefusedError


@dataclass(slots=True)
class WorkGroup:
    """A workgroup with its configuration as the API has it."""

    name: str
    configuration: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    state: str = "ENABLED"

    @property
    def is_enforced(self) -> bool:
        """Whether its settings win over those of a request; Athena's default is that they do."""
        return bool(self.configuration.get("EnforceWorkGroupConfiguration", True))

    @property
    def max_scanned_bytes(self) -> int | None:
        """What a query may read at most, None for no limit."""
        limit = self.configuration.get("BytesScannedCutoffPerQuery")
        return None if limit is None else int(limit)

    def results(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """Return where and how a request's result is written.

        Raises:
            RequestRefusedError: Neither workgroup nor request says where.
        """
        own = self.configuration.get("ResultConfiguration") or {}
        chosen = own if self.is_enforced else {**own, **requested}
        if not chosen.get("OutputLocation"):
            raise RequestRefusedError(
                "InvalidRequestException",
                "No output location provided. An output location is required either through the "
                "Workgroup result configuration setting or as an API input.",
                "INVALID_INPUT",
            )
        return dict(chosen)

    def answer(self) -> dict[str, Any]:
        """Return the workgroup as GetWorkGroup answers it."""
        return {
            "Name": self.name,
            "State": self.state,
            "Description": self.description,
            "Configuration": self.configuration,
        }
