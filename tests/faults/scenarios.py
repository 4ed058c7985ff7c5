"""Every scenario of `headrace faults`, one line each."""

from typing import Final

from tests.faults import matrix, postgres_crashed, redis_emptied, restarts, streams
from tests.faults.kills import kill_at_random
from tests.faults.points import kill_at_points
from tests.faults.scene import Scenario

SCENARIOS: Final = {
    "kills": Scenario(hurt=kill_at_random),
    # some points need an order that succeeds, and all need the job that leads there to come to the armed process
    "points": Scenario(hurt=kill_at_points, sells_out=False, workers=1),
    "redis": Scenario(hurt=redis_emptied.empty_redis, section=redis_emptied.SECTION),
    "postgres": Scenario(hurt=postgres_crashed.crash_postgres, section=postgres_crashed.SECTION),
    "restarts": Scenario(hurt=restarts.restart_in_turns, section=restarts.SECTION),
    "streams": Scenario(hurt=streams.restart_under_streams, section=streams.SECTION),
    "matrix": Scenario(
        hurt=matrix.kill_each_kind,
        section=matrix.SECTION,
        workers=3,
        lanes=2,
        settings=matrix.settings_of,
        merge=matrix.merge,
    ),
}
