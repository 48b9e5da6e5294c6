"""How a query ends badly, in Athena's words."""


class QueryFailedError(Exception):
    """The query ends as FAILED with this reason.

    Args:
        reason: Athena's reason, which begins with a code such as `TABLE_NOT_FOUND`. A repetition
            would end alike.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class QueryCancelledError(Exception):
    """The query ends as CANCELLED: somebody stopped it, or it scanned more than is allowed."""


class RequestRefusedError(Exception):
    """The request is answered with one of the service's error codes.

    Args:
        code: Such as `InvalidRequestException`.
        message: What is wrong with the request.
        athena_code: `AthenaErrorCode` of the answer, if it has one.
    """

    def __init__(self, code: str, message: str, athena_code: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.athena_code = athena_code
