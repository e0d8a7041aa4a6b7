"""Who guesses passwords is kept out for a while, and is told nothing that a wrong password is not told."""

from __future__ import annotations

from served import served_directory, start_served

from omnisql_server.session.lockout import USER_AT_ADDRESS


def test_after_some_failures_the_right_password_fails_like_a_wrong_one() -> None:
    with served_directory() as directory:
        server = start_served(directory)
        try:
            server.create_tenant("acme", "ana", "bob")
            first = str(server.refusal("acme", "ana", "wrong"))
            for _ in range(USER_AT_ADDRESS.free + 2):
                assert str(server.refusal("acme", "ana", "wrong")) == first
            assert str(server.refusal("acme", "ana")) == first
            unknown = [str(server.refusal("acme", "nobody", "wrong")) for _ in range(USER_AT_ADDRESS.free + 2)]
            assert set(unknown) == {first.replace('"ana"', '"nobody"')}
            server.connect("acme", "bob").close()
            assert "log_in_locked_out" in {event["event"] for event in server.events()}
        finally:
            assert server.stop() == 0
