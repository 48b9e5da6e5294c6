"""Whose buckets are touched: those of the stack's own account, whatever their names are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def own_buckets_only(client: "S3Client", account_id: str) -> None:
    """Have every call of a client name the account that its bucket must belong to.

    S3 then denies the call when somebody else has a bucket of that name by now, which would get
    our objects otherwise.

    Source: Amazon S3 User Guide, verifying bucket ownership with bucket owner condition.
    """

    def name_owner(params: dict[str, Any], **_: object) -> None:
        params["ExpectedBucketOwner"] = account_id

    client.meta.events.register("before-parameter-build.s3", name_owner)
