"""Keys of tenants in a real OpenBao: wrapped, rotated, destroyed, tokens renewed and replaced, an outage said."""

from __future__ import annotations

import signal
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import pytest
from key_server import KeyServer
from served import until

from catalog.errors import KeysUnavailable, SecretRefused
from catalog.key_server import KeyServer as Asked
from catalog.transit import TransitKeys

KEY = bytes(range(32))


async def test_a_key_is_unwrapped_by_its_tenant_and_generation_alone(bao: KeyServer) -> None:
    holder, tenant = bao.transit(), uuid4()
    wrapped = await holder.wrap(tenant, 1, KEY)
    assert wrapped.startswith(b"vault:v1:")
    assert KEY not in wrapped
    assert await holder.unwrap(tenant, 1, wrapped) == KEY
    await holder.wrap(tenant, 2, KEY)
    other = uuid4()
    await holder.wrap(other, 1, KEY)
    for wrong in ((tenant, 2), (other, 1), (uuid4(), 1)):
        with pytest.raises(SecretRefused, match="the tenant's key cannot be opened"):
            await holder.unwrap(*wrong, wrapped)


async def test_a_destroyed_key_is_gone_and_one_of_the_same_name_does_not_bring_it_back(bao: KeyServer) -> None:
    holder, tenant = bao.transit(), uuid4()
    wrapped = await holder.wrap(tenant, 1, KEY)
    await holder.destroy(tenant, 1)
    await holder.destroy(tenant, 1)
    assert f"omnisql-{tenant}-1" not in bao.key_names()
    with pytest.raises(SecretRefused):
        await holder.unwrap(tenant, 1, wrapped)
    await holder.wrap(tenant, 1, KEY)
    with pytest.raises(SecretRefused):
        await holder.unwrap(tenant, 1, wrapped)


async def test_a_revoked_token_is_replaced_by_logging_in_again(bao: KeyServer) -> None:
    holder, tenant = bao.transit(), uuid4()
    wrapped = await holder.wrap(tenant, 1, KEY)
    bao.admin.sys.revoke_prefix(prefix="auth/approle/login")
    assert await holder.unwrap(tenant, 1, wrapped) == KEY


async def test_a_token_is_renewed_when_most_of_its_time_is_over(bao: KeyServer) -> None:
    now_s = 0.0
    holder, tenant = TransitKeys(Asked(bao.settings(), clock=lambda: now_s)), uuid4()
    wrapped = await holder.wrap(tenant, 1, KEY)
    logged_in = bao.admin.list("auth/token/accessors")["data"]["keys"]
    now_s = 3000.0
    assert await holder.unwrap(tenant, 1, wrapped) == KEY
    assert bao.admin.list("auth/token/accessors")["data"]["keys"] == logged_in


async def test_a_wrong_secret_id_is_said_without_showing_it(bao: KeyServer, tmp_path: Path) -> None:
    wrong = tmp_path / "secret-id"
    wrong.write_text("hunter2")
    holder = TransitKeys(Asked(bao.settings(secret_id_file=wrong)))
    with pytest.raises((KeysUnavailable, SecretRefused)) as failed:
        await holder.wrap(uuid4(), 1, KEY)
    assert failed.value.sqlstate == "57P03"
    assert "hunter2" not in f"{failed.value} {failed.value.detail} {failed.value.hint}"


async def test_a_server_that_hangs_is_an_outage_and_not_a_wait(bao: KeyServer) -> None:
    holder, tenant = bao.transit(timeout_s=0.5), uuid4()
    wrapped = await holder.wrap(tenant, 1, KEY)
    bao.process.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(bao.process.pid).status() == psutil.STATUS_STOPPED)
    try:
        with pytest.raises(KeysUnavailable) as failed:
            await holder.unwrap(tenant, 1, wrapped)
        assert failed.value.sqlstate == "57P03"
    finally:
        bao.process.send_signal(signal.SIGCONT)
    assert await holder.unwrap(tenant, 1, wrapped) == KEY
