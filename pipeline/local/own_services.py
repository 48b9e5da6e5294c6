"""The services that the local run plays itself, because its endpoint would only pretend to.

moto answers Rekognition with the same labels for every image. So on an endpoint of its own the
local run starts a server of its own for such a service, if a role of the template lets anybody call
it. An endpoint that the user brings, and one he names for a single service, are used as they are.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.rekognition import Declared, Rekognition

_REKOGNITION = "rekognition"


@dataclass(frozen=True, slots=True)
class OwnServices:
    """The servers that run, None for those that are not needed."""

    rekognition: Rekognition | None = None


@contextmanager
def own_services(
    deployment: Deployment, endpoint: Endpoint, moderation: Declared | None
) -> Iterator[OwnServices]:
    """Start what the deployment needs and lead the endpoint's clients there.

    Args:
        deployment: Says what its roles may call.
        endpoint: The started endpoint; its environment names the new servers afterwards.
        moderation: What Rekognition answers about unsafe images.
    """
    with ExitStack() as stack:
        rekognition = None
        if _is_ours(_REKOGNITION, deployment, endpoint):
            rekognition = stack.enter_context(Rekognition(endpoint.client("s3"), moderation))
            endpoint.add_service(_REKOGNITION, rekognition.url)
        yield OwnServices(rekognition)


def _is_ours(service: str, deployment: Deployment, endpoint: Endpoint) -> bool:
    return (
        endpoint.is_embedded
        and service in deployment.granted_services
        and not endpoint.has_service(service)
    )
