"""The scenario of kills at random: a load and a killer, in step with each other."""

import asyncio
from typing import Final

from tests.faults.killer import Killer, make_plan
from tests.faults.scene import Harm, Scene

_STOP_LEASES: Final = 1.5  # how long a process is stopped: longer than its leases last
_STEPS_AHEAD: Final = 4  # the load waits for the killer no sooner than this many faults ahead of it


async def kill_at_random(scene: Scene) -> Harm:
    """Carry out the plan of the seed, while `jobs` jobs are accepted."""
    campaign = scene.campaign
    plan = make_plan(list(scene.up.pids), kills=campaign.kills, seed=campaign.seed)
    killer = Killer(scene.up, plan, stop_seconds=_STOP_LEASES * campaign.clock.lease_seconds)
    telling = asyncio.create_task(_tell_progress(scene, killer))
    # the load stays some steps ahead of the killer, and goes on after the last fault
    ahead = _STEPS_AHEAD / (campaign.kills + 1)
    await asyncio.gather(scene.load.run(lambda: killer.share + ahead), killer.run(lambda: scene.load.share))
    telling.cancel()
    return Harm(kills=killer.kills, stops=killer.done["stop"], flushes=killer.done["flush"])


async def _tell_progress(scene: Scene, killer: Killer, every_seconds: float = 15) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        scene.tell(f"{scene.load.accepted} jobs accepted, {killer.done.total()} faults done")
