"""posthorn-sendmail, with the daemon up and down."""

import os
import subprocess

from harness.wait import until

MAIL = "From: me@example.com\nTo: b@example.net\nCc: c@example.net\nBcc: d@example.net\nSubject: by hand\n\n.hello\n"


def _sendmail(daemon, *args, input=MAIL):
    env = dict(os.environ, POSTHORN_SPOOL_DIR=str(daemon.spool), POSTHORN_RUNTIME_DIR=str(daemon.runtime))
    return subprocess.run([str(daemon.build / "ctl/posthorn-sendmail"), *args], input=input, capture_output=True,
                          text=True, timeout=30, env=env)


def with_the_daemon_up_it_submits(t):
    peer = t.peer()
    daemon = t.relay(peer)
    done = _sendmail(daemon, "-i", "-f", "me@example.com", "b@example.net")
    assert done.returncode == 0, done
    got = peer.one()
    assert got.sender == "me@example.com" and got.to == ["b@example.net"] and b"\r\n.hello\r\n" in got.data
    assert b"Subject: by hand\r\n" in got.data


def recipients_from_the_header_without_bcc(t):
    peer = t.peer()
    daemon = t.relay(peer)
    done = _sendmail(daemon, "-t", "-i", "-f", "me@example.com")
    assert done.returncode == 0, done
    until(lambda: sorted(a for m in peer.messages for a in m.to) == ["b@example.net", "c@example.net", "d@example.net"],
          20, "three recipients")
    assert all(b"Bcc" not in m.data and b"d@example.net" not in m.headers.replace(b"for <d@example.net>", b"")
               for m in peer.messages)


def a_dot_ends_the_message_unless_told_otherwise(t):
    peer = t.peer()
    daemon = t.relay(peer)
    done = _sendmail(daemon, "-f", "me@example.com", "b@example.net", input="Subject: x\n\none\n.\ntwo\n")
    assert done.returncode == 0, done
    assert b"two" not in peer.one().data


def with_the_daemon_down_mail_waits_in_the_drop_folder(t):
    peer = t.peer()
    daemon = t.relay(peer)
    assert daemon.stop() == 0
    done = _sendmail(daemon, "-i", "-f", "me@example.com", "b@example.net")
    assert done.returncode == 0, done
    assert list((daemon.spool / "incoming").iterdir())
    daemon.start()
    assert b"Subject: by hand" in peer.one().data
    until(lambda: not list((daemon.spool / "incoming").iterdir()), 10, "the drop folder to be empty")
    daemon.wait_queue(0)
    assert len(peer.messages) == 1


def a_file_that_is_dropped_while_it_runs_is_taken_in(t):
    peer = t.peer()
    daemon = t.relay(peer)
    daemon.stop()
    assert _sendmail(daemon, "-i", "-f", "me@example.com", "b@example.net").returncode == 0
    dropped = next((daemon.spool / "incoming").iterdir())
    aside = daemon.dir / dropped.name
    dropped.rename(aside)
    daemon.start()
    aside.rename(dropped)
    peer.one()


def no_recipient_is_an_error(t):
    daemon = t.daemon()
    assert _sendmail(daemon, "-i").returncode != 0


def bs_speaks_smtp_on_standard_input(t):
    peer = t.peer()
    daemon = t.relay(peer)
    done = _sendmail(daemon, "-bs", input="EHLO x\r\nMAIL FROM:<me@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
                                          "Subject: bs\r\n\r\nhello\r\n.\r\nQUIT\r\n")
    assert done.returncode == 0 and "\n250" in done.stdout.replace("\r", ""), done
    assert b"Subject: bs" in peer.one().data
