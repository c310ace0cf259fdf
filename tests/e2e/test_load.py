"""Many messages, through the usual generators and sinks."""

from harness.marks import long, within
from harness.smtp import message, submit
from harness.wait import until


@within(120)
def smtp_source_in_smtp_sink_out(t):
    daemon = t.relay(t.smtp_sink(), {"smtp": {"max_connections_per_client": 1000}})
    t.smtp_source(daemon.smtp, "-s", 20, "-m", 3000, "-l", 4096, "-f", "a@example.com", "-t", "b@example.net")
    t.smtp_source(daemon.smtp, "-d", "-s", 20, "-m", 3000, "-l", 4096, "-f", "a@example.com", "-t", "b@example.net")
    daemon.wait_queue(0, 60)
    assert not daemon.events("delivery.bounced")


@within(120)
@long
def smtp_source_in_a_real_postfix_out(t):
    postfix = t.postfix(settings={"virtual_mailbox_domains": "", "local_transport": "discard:",
                                  "default_transport": "discard:", "relay_transport": "discard:"})
    daemon = t.relay(postfix.address)
    t.smtp_source(daemon.smtp, "-s", 10, "-m", 300, "-l", 4096, "-f", "a@example.com", "-t", "b@example.net")
    daemon.wait_queue(0, 60)
    until(lambda: postfix.log().count("status=sent") >= 300, 30, "300 messages in Postfix")


@within(90)
def memory_comes_back_after_a_load(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", message("warm"))
    peer.wait(1)
    t.smtp_source(daemon.smtp, "-s", 30, "-m", 500, "-l", 20000, "-f", "a@example.com", "-t", "b@example.net")
    daemon.wait_queue(0, 60)
    first = daemon.rss()
    for _ in range(3):
        t.smtp_source(daemon.smtp, "-s", 30, "-m", 500, "-l", 20000, "-f", "a@example.com", "-t", "b@example.net")
        daemon.wait_queue(0, 60)
    assert daemon.rss() < first + (16 << 20), f"{first >> 20} -> {daemon.rss() >> 20} MiB"
