"""mailctl system reload, shutdown and config: the server as a whole in an operator's hand."""

import json
import tomllib

from harness.peer import Hold
from harness.smtp import submit
from harness.wait import until


def reload_tells_what_changed(t):
    daemon = t.daemon()
    assert daemon.mailctl("system", "reload", json_output=True) == {"changed": [], "restart_needed": []}
    daemon.configure({"smtp": {"max_message_size": "1MiB"}, "spool": {"reserve": "20MiB"}})
    told = daemon.mailctl("system", "reload", json_output=True)
    assert told == {"changed": ["smtp.max_message_size"], "restart_needed": ["spool.reserve"]}, told
    client = t.client(daemon)
    assert "SIZE 1048576" in client.ehlo().text
    text = daemon.mailctl("system", "config").stdout
    assert 'reserve = "20MiB"  # from the next start; now "16MiB"' in text, text
    assert daemon.mailctl("system", "reload", json_output=True) == {"changed": [], "restart_needed": ["spool.reserve"]}
    daemon.restart()
    assert "from the next start" not in daemon.mailctl("system", "config").stdout


def a_reload_that_is_refused_tells_all_errors_with_their_places(t):
    daemon = t.daemon()
    lines = daemon.file.read_text().splitlines()
    daemon.write("\n".join(lines) + '\n[smtp]\nmax_recipients = "many"\nmax_recipientz = 5\n')
    refused = daemon.mailctl("system", "reload", check=False)
    assert refused.returncode == 1 and not refused.stdout, refused
    for place in (f"{daemon.file}:{len(lines) + 2}:18: smtp.max_recipients", f"{daemon.file}:{len(lines) + 3}:1: unknown key"):
        assert place in refused.stderr, (place, refused.stderr)
    daemon.write("\n".join(lines) + "\n")
    daemon.mailctl("system", "reload")
    daemon.file.unlink()
    refused = daemon.mailctl("system", "reload", check=False)
    assert refused.returncode == 1 and str(daemon.file) in refused.stderr, refused
    submit(daemon.smtp, "b@example.net")


def config_is_what_holds_and_keeps_secrets(t):
    peer = t.peer()
    daemon = t.daemon({
        "listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "max_recipients": 7},
                     {"protocol": "smtp", "address": "127.0.0.1:0"}],
        "delivery": {"domains": {"*.example.net": {"smarthost": peer.address, "smarthost_user": "u",
                                                   "smarthost_password": "s3cret-word",
                                                   "rate_limit": {"burst_size": 3}}}},
        "metrics": {"otlp": {"api_key": "s3cret-key"}}})
    said = daemon.mailctl("system", "config")
    assert "s3cret" not in said.stdout
    config = tomllib.loads(said.stdout)
    assert config["server"]["hostname"] == "mx.posthorn.test" and config["server"]["shutdown_grace"] == "30s"
    assert config["dsn"]["postmaster"] == "postmaster@mx.posthorn.test", "what is not set holds all the same"
    assert [door.get("max_recipients") for door in config["listener"]] == [7, None]
    domain = config["delivery"]["domains"]["*.example.net"]
    assert domain["smarthost_password"] == "********" and domain["rate_limit"] == {"burst_size": 3}, domain

    done = daemon.mailctl("system", "config", "--json")
    assert "s3cret" not in done.stdout
    keys = {entry["path"]: entry for entry in json.loads(done.stdout)}
    assert keys["listener[0].max_recipients"]["value"] == 7
    assert keys["server.threads"] == {"path": "server.threads", "section": "[server]", "key": "threads", "value": 2}
    assert not any("running" in entry for entry in keys.values())

    # It is a configuration itself.
    daemon.write(said.stdout)
    assert daemon.mailctl("system", "reload", json_output=True)["restart_needed"] == []


def shutdown_ends_the_server_and_lets_deliveries_end(t):
    peer = t.peer()
    hold = Hold()
    peer.on("BODY", hold)
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net")
    assert hold.reached.wait(20)
    assert daemon.mailctl("system", "shutdown", json_output=True) == {"shutting_down": True, "now": False}
    daemon.wait_event("server.stopping")
    assert daemon.mailctl("system", "shutdown").returncode == 0, "said twice it is the same"
    refused = daemon.mailctl("system", "reload", check=False)
    assert refused.returncode == 1 and "going down" in refused.stderr, refused
    assert daemon.running() and not daemon.events("server.hurrying")
    hold.release()
    assert daemon.wait_exit() == 0
    assert len(peer.messages) == 1
    assert daemon.mailctl("system", "shutdown", check=False).returncode == 3


def shutdown_now_cuts_off_what_is_under_way(t):
    peer = t.peer()
    hold = Hold()
    peer.on("BODY", hold)
    daemon = t.relay(peer, {"server": {"shutdown_grace": "10m"}})
    submit(daemon.smtp, "b@example.net")
    assert hold.reached.wait(20)
    daemon.mailctl("system", "shutdown")
    daemon.wait_event("server.stopping")
    assert daemon.mailctl("system", "shutdown", "--now", json_output=True)["now"]
    assert daemon.wait_exit() == 0
    assert daemon.events("server.hurrying") and not daemon.events("server.abandoned")
    hold.release()
    daemon.start()
    submit(daemon.smtp, "c@example.net")
    daemon.mailctl("system", "shutdown", "--now")
    assert daemon.wait_exit() == 0
    daemon.start()
    daemon.mailctl("queue", "retry", "--all", check=False)
    until(lambda: len(peer.messages) >= 2, 30, "both messages: nothing was lost")
