"""What a tenant does about prompt injections and unsafe requests in its texts."""

from typing import Final

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from domain.accounts.user import Caller
from domain.text.safety import Action, SafetyPolicy
from storage.audit import audit
from storage.safety import find_safety_policy, set_safety_policy

_EXAMPLE: Final = {"injection": "block", "unsafe": "flag"}


class SafetyView(Struct, frozen=True, kw_only=True):
    """What is done about what each detector finds: `off`, `flag` in the job's usage, or `block` the job."""

    injection: Action
    unsafe: Action


class SafetyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done about what each detector finds; what is left out is as the settings say."""

    injection: Action | None = None
    unsafe: Action | None = None


@get("/safety", guards=[needs("jobs:read")])
async def show(use: NamedDependency[Use], caller: NamedDependency[Caller]) -> SafetyView:
    """What is done about injections and unsafe requests: what the tenant has said, or else the settings."""
    async with use.database.read() as tx:
        return _view(await find_safety_policy(tx, caller.tenant_id) or use.settings.safety)


@put("/safety", guards=[needs("safety:manage")], opt={**audited("safety.changed"), "example": _EXAMPLE})
async def change(
    request: ApiRequest, data: JSONBody[SafetyBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> SafetyView:
    """Say what is done about injections and unsafe requests, in place of what was. Workers heed it within 5 s."""
    default = use.settings.safety
    wanted = SafetyPolicy(injection=data.injection or default.injection, unsafe=data.unsafe or default.unsafe)
    async with use.database.begin() as tx:
        before = await find_safety_policy(tx, caller.tenant_id, lock=True)
        if before != wanted:
            await set_safety_policy(tx, caller.tenant_id, wanted)
            told = act("safety.changed", caller.tenant_id, before=_view(before or default), after=_view(wanted))
            await audit(tx, actor_of(request), told)
    return _view(wanted)


router: Final = Router("/v1", route_handlers=[show, change], tags=["Safety"])


def _view(policy: SafetyPolicy) -> SafetyView:
    return SafetyView(injection=policy.injection, unsafe=policy.unsafe)
