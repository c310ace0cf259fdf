"""What operators see of destinations and DNS, and set at run time: rates, and where a domain's mail goes."""

from harness import accounts
from harness.smtp import message, submit
from harness.wait import until


def _why(daemon):
    return [m["why"] for m in daemon.queue()]


def destinations_tell_connections_backlog_error_and_tls(t):
    peer, dead = t.tls_peer(), t.peer()
    dead.stop()
    daemon = t.relay(peer, {"delivery": {"connection_idle": "10m", "domains": {"example.net": {
        "rate_limit": {"messages_per_second": 0.001, "burst_size": 2}}}}},
        more_domains={"example.org": {"mx_override": dead.address}})
    assert daemon.mailctl("destinations", json_output=True) == []
    for number in range(3):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    submit(daemon.smtp, "b@example.org")
    peer.wait(2)

    def there():
        found = {d["destination"]: d for d in daemon.mailctl("destinations", json_output=True)}
        return found if len(found) == 2 and found["example.org"]["last_error"] and found["example.net"]["waiting"] and \
            not found["example.net"]["in_flight"] else None

    found = until(there, 20, "both destinations")
    one, two = found["example.net"], found["example.org"]
    assert one["tls"].startswith("TLSv1") and one["connections"] >= 1 and one["waiting"] == 1, one
    assert one["tokens"] == 0 and one["burst"] == 2 and one["next_token"] and one["why"] == "rate limit", one
    assert two["tls"] is None and two["connections"] == 0 and two["next_hop"] == dead.address, two
    assert [d["destination"] for d in daemon.mailctl("destinations", "example.org", json_output=True)] == ["example.org"]
    assert daemon.mailctl("destinations", "example.com", json_output=True) == []
    assert "example.net" in daemon.mailctl("destinations").stdout
    assert daemon.mailctl("destinations", "no domain", check=False).returncode == 2


def a_rate_set_at_run_time_holds_until_it_is_reset(t):
    peer = t.peer()
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {
        "rate_limit": {"messages_per_second": 50.0, "burst_size": 50}}}}})
    told = daemon.mailctl("rate", "set", "Example.NET", "--per-second", "0.001", "--burst", "1", json_output=True)
    assert told["persists"] and told["per_second"] == 0.001, told
    for number in range(3):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    peer.wait(1)
    until(lambda: _why(daemon) == ["rate limit", "rate limit"], 20, "two that wait for a token")

    def rates():
        return [(r["domain"], r["per_second"], r["burst"], r["from"])
                for r in daemon.mailctl("rate", "list", json_output=True)]

    listed = [("*", 100000.0, 100000, "default"), ("example.net", 50.0, 50, "config"), ("example.net", 0.001, 1, "runtime")]
    assert rates() == listed, rates()
    daemon.mailctl("system", "reload")
    assert rates() == listed, "a reload leaves it"
    daemon.restart()
    assert rates() == listed, "so does a restart"
    peer.wait(2)
    until(lambda: _why(daemon) == ["rate limit"], 20, "one that waits for a token")
    assert daemon.mailctl("rate", "reset", "example.net", json_output=True)["reset"]
    peer.wait(3)
    assert rates() == listed[:2]
    assert daemon.mailctl("rate", "reset", "example.net", check=False).returncode == 1
    for wrong in (("example.net", "--per-second", "1"), ("example.net", "--per-second", "x", "--burst", "1"),
                  ("no domain", "--per-second", "1", "--burst", "1"), ("example.net", "--per-second", "1", "--burst", "0")):
        assert daemon.mailctl("rate", "set", *wrong, check=False).returncode == 2, wrong


def an_override_set_at_run_time_holds_until_it_is_removed(t):
    one, two = t.peer(), t.peer()
    daemon = t.relay(one)
    told = daemon.mailctl("dns", "set-override", "*.example.org", two.address, json_output=True)
    assert told == {"domain": "*.example.org", "goes_to": two.address, "from": "runtime", "persists": True}, told
    submit(daemon.smtp, "b@a.example.org")
    two.wait(1)
    daemon.mailctl("dns", "set-override", "example.net", two.address)
    submit(daemon.smtp, "b@example.net")
    two.wait(2)
    assert not one.messages, "it goes before the configuration's"

    def listed():
        return [(o["domain"], o["goes_to"], o["from"])
                for o in daemon.mailctl("dns", "list-overrides", json_output=True)]

    whole = [("example.net", one.address, "config"), ("*.example.org", two.address, "runtime"),
             ("example.net", two.address, "runtime")]
    assert listed() == whole, listed()
    assert any(two.address in step["result"] for step in daemon.mailctl("route", "example.net", json_output=True))
    daemon.restart()
    daemon.mailctl("system", "reload")
    assert listed() == whole
    submit(daemon.smtp, "b@example.net")
    two.wait(3)
    daemon.mailctl("dns", "remove-override", "example.net")
    assert listed() == whole[:2]
    submit(daemon.smtp, "b@example.net")
    one.wait(1)
    assert daemon.mailctl("dns", "remove-override", "example.net", check=False).returncode == 1
    assert daemon.mailctl("dns", "set-override", "example.net", "host:no", check=False).returncode == 2
    assert daemon.mailctl("dns", "set-override", "no domain", "host", check=False).returncode == 2
    daemon.stop()
    (daemon.spool / "overrides").write_text("nonsense\n")
    daemon.spawn()
    assert daemon.wait_exit() == 1 and "overrides" in daemon.raw_log(), "mail must not go where it was not to go"


def dns_is_looked_up_listed_and_forgotten(t):
    knot = t.knot("example.net. MX 10 mx.example.net.\nexample.net. MX 5 a.example.net.\nmx.example.net. A 192.0.2.1\n"
                  "a.example.net. AAAA 2001:db8::1\nalone.example. A 192.0.2.9")
    daemon = t.daemon({"dns": {"servers": [knot.address], "timeout": "2s"}})

    def rows(*words):
        return [(r["name"], r["type"], r["record"]) for r in daemon.mailctl("dns", *words, json_output=True)]

    whole = [("example.net", "MX", "5 a.example.net"), ("example.net", "MX", "10 mx.example.net"),
             ("a.example.net", "AAAA", "2001:db8::1"), ("mx.example.net", "A", "192.0.2.1")]
    assert daemon.mailctl("dns", "list-cache", json_output=True) == []
    assert rows("lookup", "Example.NET") == whole, rows("lookup", "example.net")
    assert rows("lookup", "alone.example")[-1] == ("alone.example", "A", "192.0.2.9")
    none = daemon.mailctl("dns", "lookup", "nowhere.example", json_output=True)
    assert none[0]["status"] == "no such name", none
    kept = {(k["name"], k["type"]): k for k in daemon.mailctl("dns", "list-cache", json_output=True)}
    assert sorted(kept["example.net", "MX"]["records"]) == ["10 mx.example.net", "5 a.example.net"], kept
    assert kept["nowhere.example", "MX"]["status"] == "no such name"
    assert {k["name"] for k in daemon.mailctl("dns", "list-cache", "example.net", json_output=True)} == {"example.net"}
    assert len(daemon.mailctl("dns", "list-cache", "--limit", "2", json_output=True)) == 2

    knot.reload("example.net. MX 10 mx.example.net.\nmx.example.net. A 192.0.2.2")
    assert rows("lookup", "example.net") == whole, "what is kept holds"
    assert rows("refresh", "example.net") == [("example.net", "MX", "10 mx.example.net"),
                                              ("mx.example.net", "A", "192.0.2.2")]
    assert daemon.mailctl("dns", "clear-cache", "example.net", json_output=True)["cleared"] == "example.net"
    assert daemon.mailctl("dns", "list-cache", "example.net", json_output=True) == []
    assert daemon.mailctl("dns", "clear-cache", json_output=True) == {"cleared": "everything", "left": 0}
    knot.stop()
    failed = daemon.mailctl("dns", "lookup", "example.net", json_output=True, timeout=120)
    assert failed[0]["status"] in ("timed out", "server failed", "local failure") and failed[0]["text"], failed
    assert daemon.mailctl("dns", "lookup", "no domain", check=False).returncode == 2


def a_route_tells_every_rule_that_decides_and_sends_nothing(t):
    knot = t.knot("example.net MX 20 two.example.net\nexample.net MX 10 one.example.net\n"
                  "one.example.net A 192.0.2.1\ntwo.example.net A 192.0.2.2\nrelay.test A 192.0.2.3")
    daemon = t.daemon({"dns": {"servers": [knot.address]}, "smtp": {"relay_domains": ["example.net"]},
                       "delivery": {"domains": {"example.net": {"tls": "require", "max_connections": 3},
                                                "*.example.org": {"smarthost": "relay.test:587"}}}})

    def route(address):
        return [(step["rule"], step["result"]) for step in daemon.mailctl("route", address, json_output=True)]

    told = route("someone@Example.NET")
    rules = [rule for rule, _ in told]
    assert rules == ["relay", "local", "rule", "next hop", "tls", "rate", "connections", "mx", "mx", "address",
                     "address"], told
    by = dict(told)
    assert "from everybody" in by["relay"] and "require" in by["tls"] and by["connections"].startswith("3 "), told
    assert [result for rule, result in told if rule == "mx"] == ["10 one.example.net", "20 two.example.net"], told
    assert ("address", "one.example.net: 192.0.2.1") in told, told

    told = route("x@a.example.org")
    assert "trusted clients" in dict(told)["relay"] and "relay.test:587" in dict(told)["next hop"], told
    assert told[-1] == ("address", "relay.test: 192.0.2.3"), told

    daemon.mailctl("dns", "set-override", "example.net", "192.0.2.9:26")
    daemon.mailctl("queue", "freeze", "--domain", "example.net")
    told = route("example.net")
    assert ("frozen", "the domain is held back") in told and told[-1][0] == "connections", told
    assert any(rule == "override" and "192.0.2.9:26" in result for rule, result in told), told
    assert "192.0.2.9:26" in dict(told)["next hop"], told
    nowhere = route("x@gone.test")
    assert nowhere[-1][0] == "mx" and "no such name" in nowhere[-1][1], nowhere

    assert daemon.mailctl("route", "not an address", check=False).returncode == 2


def a_route_to_an_account_tells_who_it_is(t):
    daemon = t.daemon()
    accounts.add(daemon, "ann@example.org")
    daemon.mailctl("alias", "add", "team@example.org", "ann@example.org,far@example.net")

    def route(address):
        return [(step["rule"], step["result"]) for step in daemon.mailctl("route", address, json_output=True)]

    told = route("Ann+lists@example.org")
    assert ("local", "Ann+lists@example.org: account ann@example.org") in told, told
    assert told[-1] == ("next hop", "the store"), "nothing is looked up in DNS for our own domain"
    told = route("team@example.org")
    assert ("alias", "team@example.org -> ann@example.org") in told, told
    assert ("local", "far@example.net: goes to another server") in told, told
    assert ("local", "nobody@example.org: nobody, refused with 550 5.1.1") in route("nobody@example.org")
    (row,) = daemon.mailctl("destinations", json_output=True)
    assert row["destination"] == "local mailboxes" and row["why"] is None, row
    assert "RULE" in daemon.mailctl("route", "x@example.net").stdout
    assert not daemon.queue()
    daemon.stop()
    assert daemon.mailctl("route", "x@example.net", check=False).returncode == 3
