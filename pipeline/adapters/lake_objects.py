"""The objects of the lake, as the analytics flow sees them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws import service_errors
from pipeline.adapters.parallel import Parallel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class LakeObjects:
    """`flows.analytics.ports.Lake` on S3.

    Args:
        client: boto3's client.
        parallel: Looks into many folders at once, of which most are empty.
        bucket: The bucket of the lake.
    """

    def __init__(self, client: "S3Client", parallel: Parallel, bucket: str) -> None:
        self._client = client
        self._parallel = parallel
        self._bucket = bucket

    def inputs(self, hours: Sequence[str]) -> Mapping[str, str]:
        """Return a digest of the objects of each arrival hour that has any.

        It changes with every object that is added or replaced by another content.
        """
        folders = {f"events/dt={hour[:10]}/hour={hour[11:]}/": hour for hour in hours}
        found: dict[str, list[str]] = defaultdict(list)
        for day in sorted({hour[:10] for hour in hours}):
            for entry in self._objects(f"events/dt={day}/"):
                folder = entry["Key"].rpartition("/")[0] + "/"
                if folder in folders:
                    found[folders[folder]].append(f"{entry['Key']} {entry['ETag']}")
        return {
            hour: sha256("\n".join(sorted(lines)).encode()).hexdigest()[:32]
            for hour, lines in found.items()
        }

    def delete(self, prefixes: Sequence[str]) -> int:
        """Delete every object under the prefixes and return how many there were."""
        counts = dict.fromkeys(prefixes, 0)

        def empty(prefix: str) -> None:
            for entry in list(self._objects(prefix)):
                with service_errors(f"delete compacted events of {self._bucket}"):
                    self._client.delete_object(Bucket=self._bucket, Key=entry["Key"])
                counts[prefix] += 1

        self._parallel.run([partial(empty, prefix) for prefix in counts], "delete")
        return sum(counts.values())

    def _objects(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            with service_errors(f"list objects of {self._bucket}"):
                page = self._client.list_objects_v2(**request)
            yield from page.get("Contents", [])
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]
