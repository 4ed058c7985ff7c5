"""What roles bundle is the tenant's to say, and holds at once."""

from domain.accounts.permissions import PERMISSIONS, ROLE_PERMISSIONS, Role
from runtime.unique_ids import new_id
from tests.api.conftest import House, Problem


async def test_permissions_are_listed_with_what_they_permit(house: House) -> None:
    found = (await house.as_(house.admin_key, "GET", "/v1/permissions")).json()["items"]
    assert {one["name"]: one["description"] for one in found} == PERMISSIONS


async def test_roles_bundle_what_the_release_says_until_the_tenant_says_otherwise(house: House) -> None:
    stranger = await house.person(Role.ADMIN, tenant_id=new_id("tenant"))
    for role in Role:
        found = (await house.as_(house.admin_key, "GET", f"/v1/roles/{role}/permissions")).json()
        assert (found["role"], set(found["permissions"])) == (role.value, set(ROLE_PERMISSIONS[role]))
    viewer = await house.person(Role.VIEWER)
    token = (await house.log_in(viewer))["access_token"]
    assert (await house.as_(token, "GET", "/v1/audit")).status_code == 403
    wanted = ["jobs:read", "audit:read"]
    set_ = await house.as_(house.admin_key, "PUT", "/v1/roles/viewer/permissions", {"permissions": wanted})
    assert (set_.status_code, set_.json()["permissions"]) == (200, sorted(wanted))
    assert (await house.as_(house.admin_key, "GET", "/v1/roles/viewer/permissions")).json() == set_.json()
    assert (await house.as_(token, "GET", "/v1/audit")).status_code == 200
    assert (await house.as_(token, "GET", "/v1/orders")).status_code == 403
    # a key carries no more than its user's role does now
    assert (await house.as_(viewer.key, "GET", "/v1/orders")).status_code == 403
    assert (await house.as_(viewer.key, "GET", "/v1/jobs")).status_code == 200
    other = (await house.as_(stranger.key, "GET", "/v1/roles/viewer/permissions")).json()
    assert set(other["permissions"]) == ROLE_PERMISSIONS[Role.VIEWER]


async def test_roles_are_listed_with_what_they_bundle(house: House) -> None:
    wanted = {"permissions": ["jobs:read"]}
    assert (await house.client.put("/v1/roles/viewer/permissions", json=wanted)).status_code == 200
    whole = (await house.client.get("/v1/roles")).json()
    assert [one["role"] for one in whole["items"]] == ["admin", "moderator", "operator", "user", "viewer"]
    for one in whole["items"]:
        assert (await house.client.get(f"/v1/roles/{one['role']}/permissions")).json() == one
    assert whole["items"][-1]["permissions"] == ["jobs:read"]
    first = await house.client.get("/v1/roles?limit=3")
    rest = (await house.client.get(first.links["next"]["url"])).json()
    assert (first.json()["items"] + rest["items"], rest["next_cursor"]) == (whole["items"], None)


async def test_what_is_no_role_or_no_permission_is_refused(house: House, problem: Problem) -> None:
    for method, body in (("GET", None), ("PUT", {"permissions": []})):
        answer = await house.as_(house.admin_key, method, "/v1/roles/owner/permissions", body)
        assert (answer.status_code, problem(answer)["code"]) == (404, "role_not_found")
    wanted = {"permissions": ["jobs:read", "jobs:own"]}
    answer = await house.as_(house.admin_key, "PUT", "/v1/roles/viewer/permissions", wanted)
    assert [error["pointer"] for error in problem(answer)["errors"]] == ["/permissions/1"]


async def test_administrators_keep_what_gives_everything_back(house: House, problem: Problem) -> None:
    body = {"permissions": sorted(PERMISSIONS.keys() - {"users:manage"})}
    answer = await house.as_(house.admin_key, "PUT", "/v1/roles/admin/permissions", body)
    assert (answer.status_code, problem(answer)["code"]) == (409, "role_needed")


async def test_what_nobody_else_could_give_back_stays_with_administrators(house: House, problem: Problem) -> None:
    without = {"permissions": sorted(PERMISSIONS.keys() - {"keys:manage", "audit:read"})}
    path = "/v1/roles/admin/permissions"
    answer = await house.as_(house.admin_key, "PUT", path, without)
    assert (answer.status_code, problem(answer)["code"]) == (409, "role_needed")
    assert "audit:read, keys:manage" in problem(answer)["detail"]
    # a role nobody has gives nothing back, nor does one that manages nobody
    second = {"permissions": ["users:manage", "keys:manage", "audit:read"]}
    assert (await house.as_(house.admin_key, "PUT", "/v1/roles/operator/permissions", second)).status_code == 200
    assert (await house.as_(house.admin_key, "PUT", path, without)).status_code == 409
    operator = (await house.log_in(await house.person(Role.OPERATOR)))["access_token"]
    assert (await house.as_(house.admin_key, "PUT", path, without)).status_code == 200
    gone = await house.as_(operator, "GET", "/v1/audit")
    assert gone.status_code == 200
    # now the operators are the last who have them
    fewer = {"permissions": ["users:manage"]}
    answer = await house.as_(operator, "PUT", "/v1/roles/operator/permissions", fewer)
    assert (answer.status_code, problem(answer)["code"]) == (409, "role_needed")


async def test_who_orders_for_others_is_what_the_tenant_says(house: House) -> None:
    ada, admin = await house.person(Role.USER), await house.person(Role.ADMIN)
    path = f"/v1/customers/{admin.id}/balance"
    assert (await house.as_(ada.key, "GET", path)).status_code == 403
    token = (await house.log_in(ada))["access_token"]
    body = {"permissions": [*ROLE_PERMISSIONS[Role.USER], "orders:manage"]}
    await house.as_(house.admin_key, "PUT", "/v1/roles/user/permissions", body)
    assert (await house.as_(token, "GET", path)).status_code == 200
