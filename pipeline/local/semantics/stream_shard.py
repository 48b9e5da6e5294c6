"""Chooses the state machine of a shard by its mapping's settings."""

from pipeline.local.semantics.parallel_mapping import ParallelShardMapping
from pipeline.local.semantics.stream_mapping import ShardMapping
from pipeline.local.semantics.stream_types import MappingPolicy, StreamShard
from pipeline.local.semantics.tumbling_window import TumblingShardMapping


def stream_shard(policy: MappingPolicy, *, started_at: float) -> StreamShard:
    """Return the machine that follows a policy, in its initial state.

    Raises:
        ValueError: The policy has tumbling windows and several lanes, which Lambda refuses.
    """
    if policy.tumbling_window_s and policy.parallelization_factor > 1:
        raise ValueError("tumbling windows need a parallelization factor of 1")
    if policy.tumbling_window_s:
        return TumblingShardMapping(policy, started_at=started_at)
    if policy.parallelization_factor > 1:
        return ParallelShardMapping(policy, started_at=started_at)
    return ShardMapping(policy, started_at=started_at)
