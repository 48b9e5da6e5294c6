"""Everything that invokes functions asynchronously in one run, put together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pipeline.local.deployment import AsyncConfig, Deployment
from pipeline.local.sources.async_queue import AsyncContext, AsyncQueue, InvokeFunction
from pipeline.local.sources.bus_journal import JournalSource
from pipeline.local.sources.bus_router import EventRouter, OnProblem
from pipeline.local.sources.bus_targets import EventTargets
from pipeline.local.sources.schedule_source import ScheduleSource

if TYPE_CHECKING:
    from pipeline.local.sources.source import Source

_CONCURRENCY: Final = 2
"""Events of one function that are tried at once."""


@dataclass(frozen=True, slots=True)
class AsyncSettings:
    """What the asynchronous invocations of a run need of their surroundings.

    `journal_url` is the own endpoint's base URL, None on an endpoint that keeps no journal.
    `wait_scale` is the part of Lambda's waits between attempts that is really waited.
    """

    journal_url: str | None
    wait_scale: float
    poll_interval_s: float
    fires_schedules: bool


class AsyncEvents:
    """The sources of asynchronous events, and what fires schedules by hand.

    Args:
        deployment: What to run.
        invoke: Invokes a function, by its logical id.
        client: Gives the boto3 client of a service.
        settings: The surroundings.
        on_problem: Told what the user must know.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        deployment: Deployment,
        invoke: Mapping[str, InvokeFunction],
        client: Callable[[str], Any],
        settings: AsyncSettings,
        on_problem: OnProblem,
        clock: Callable[[], float],
    ) -> None:
        queues: dict[str, AsyncQueue] = {}
        targets = EventTargets(deployment.functions, queues, client)
        for logical_id in _invoked_asynchronously(deployment):
            queues[logical_id] = AsyncQueue(
                AsyncContext(
                    function=deployment.functions[logical_id],
                    config=deployment.routes.async_configs.get(logical_id, AsyncConfig()),
                    wait_scale=settings.wait_scale,
                    concurrency=_CONCURRENCY,
                    invoke=invoke[logical_id],
                    accept=targets.accept,
                    client=client,
                    on_problem=partial(on_problem, logical_id),
                    clock=clock,
                )
            )
        routes = deployment.routes
        router = EventRouter(routes, targets, on_problem, clock)
        self.fire = router.fire
        self.sources: list[Source] = list(queues.values())
        listens = (
            routes.notifications or routes.rules or routes.schedules or routes.subscribed_functions
        )
        if settings.journal_url is not None and listens:
            self.sources.append(
                JournalSource(
                    settings.journal_url,
                    router.take,
                    settings.poll_interval_s,
                    partial(on_problem, JournalSource.name),
                )
            )
        if settings.fires_schedules:
            schedules = ScheduleSource(
                routes, router.fire, partial(on_problem, ScheduleSource.name), clock
            )
            self.sources.append(schedules)


def _invoked_asynchronously(deployment: Deployment) -> list[str]:
    """Name the functions that something sends events to."""
    routes = deployment.routes
    arns = {notification.target_arn for notification in routes.notifications}
    arns |= routes.subscribed_functions
    arns |= {target.arn for rule in routes.rules for target in rule.targets}
    arns |= {schedule.target.arn for schedule in routes.schedules}
    for config in routes.async_configs.values():
        arns |= {arn for arn in (config.on_success_arn, config.on_failure_arn) if arn}
    return [
        logical_id
        for logical_id, function in deployment.functions.items()
        if any(arn == function.arn or arn.startswith(f"{function.arn}:") for arn in arns)
    ]
