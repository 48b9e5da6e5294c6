"""Errors named by what the event source must do next.

The tree::

    PipelineError
    ├── InvalidRecordError   retrying cannot help: quarantine or dead-letter queue
    ├── RetryableError       throttling or outage: deliver the batch again
    └── SettingsError        the function is deployed wrongly: fail at cold start

Anything else that escapes is a bug: the function fails and the event source isolates the record.
"""


class PipelineError(Exception):
    """Base of every error that this pipeline raises on purpose."""


class InvalidRecordError(PipelineError):
    """A record that no retry can make good.

    Args:
        reason: What is wrong, in words for the producer; never a personal value.
        path: JSON path of the fault, `$` when the record as a whole is refused.
    """

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(f"{reason} (at {path})")
        self.reason = reason
        self.path = path


class RetryableError(PipelineError):
    """An infrastructure failure; the same input succeeds once the service has recovered."""


class SettingsError(PipelineError):
    """An environment variable of the function is missing or has no usable value."""
