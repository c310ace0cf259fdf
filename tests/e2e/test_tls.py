"""TLS on both sides: what is offered, what is demanded, what is fallen back to."""

import signal
import ssl

from harness import tls as certs
from harness.peer import Drop
from harness.smtp import Client, message, submit, unverified
from harness.wait import until


def starttls_protects_a_session(t):
    peer = t.peer()
    daemon = t.relay(peer)
    client = t.client(daemon)
    client.ehlo()
    client.starttls()
    client.ehlo()
    assert client.sock.version() in ("TLSv1.2", "TLSv1.3")
    client.mail("a@example.com", "b@example.net")
    assert client.data(message()).code == 250
    trace = peer.one().headers.replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
    assert b" with ESMTPS " in trace and b"TLS" in trace.replace(b"ESMTPS", b""), trace


def implicit_tls_protects_from_the_start(t):
    daemon = t.daemon({"listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "implicit"}]})
    client = t.client(daemon, tls=unverified())
    client.ehlo()
    assert "STARTTLS" not in client.extensions
    client.mail("a@example.com", "b@example.net")
    assert client.data(message()).code == 250


def old_tls_versions_are_refused(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    context = unverified()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        client.starttls(context)
        raise AssertionError(f"spoke {client.sock.version()}")
    except (ssl.SSLError, OSError):
        pass
    submit(daemon.smtp, "b@example.net", tls=True)


def a_configured_certificate_is_shown_and_renewed_on_sighup(t):
    cert, key = t.certificate("one", host="one.example.net")
    daemon = t.daemon({"tls": {"certificate": cert, "key": key}})
    assert _shown(daemon) == _der(cert)
    two_cert, two_key = t.certificate("two", host="two.example.net")
    old = t.client(daemon)
    old.ehlo()
    cert.write_bytes(two_cert.read_bytes())
    key.write_bytes(two_key.read_bytes())
    daemon.signal(signal.SIGHUP)
    until(lambda: _shown(daemon) == _der(two_cert), 10, "the new certificate")
    old.expect(250, "NOOP")


def _shown(daemon):
    with Client(daemon.smtp) as client:
        client.ehlo()
        client.starttls()
        return client.sock.getpeercert(binary_form=True)


def _der(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def a_certificate_is_made_at_the_first_start_and_kept(t):
    daemon = t.daemon()
    first = _shown(daemon)
    daemon.restart()
    assert _shown(daemon) == first


def a_truncated_handshake_ends_only_that_session(t):
    daemon = t.daemon({"smtp": {"timeouts": {"command": "2s"}}})
    for junk in (b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 300):
        client = t.client(daemon)
        client.ehlo()
        client.expect(220, "STARTTLS")
        client.send(junk)
        if junk:
            assert client.closed(10), junk
        client.close()
    submit(daemon.smtp, "b@example.net", tls=True)


# ---- the way out: the table of the design

def _outcome(t, policy, peer, **domain):
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {"tls": policy, **domain}}}})
    submit(daemon.smtp, "b@example.net")
    until(lambda: peer.messages or any(_reason(e) for e in daemon.queue()), 20, "an outcome")
    return (peer.messages[0].session.tls or "plain") if peer.messages else "held"


def _reason(entry):
    return any(int(r.get("attempts", 0) or 0) > 0 for r in entry.get("recipients", [])) \
        if isinstance(entry.get("recipients"), list) else entry.get("attempts", 0)


def none_never_starts_tls(t):
    assert _outcome(t, "none", t.tls_peer()) == "plain"


def may_takes_tls_unverified_when_offered(t):
    assert _outcome(t, "may", t.tls_peer()).startswith("TLS")


def may_is_the_default(t):
    peer = t.tls_peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net")
    assert peer.one().session.tls


def may_sends_plain_when_tls_is_not_offered(t):
    assert _outcome(t, "may", t.peer()) == "plain"


def _garbage(session, _line):
    session.sock.recv(4096)
    session.sock.sendall(b"this is no TLS at all, not a bit of it\r\n" * 10)
    return Drop()


def may_sends_plain_when_the_handshake_fails(t):
    peer = t.tls_peer()
    peer.on("TLS", _garbage)
    assert _outcome(t, "may", peer) == "plain"


def may_sends_plain_when_starttls_is_refused(t):
    peer = t.tls_peer()
    peer.on("STARTTLS", "454 4.7.0 not now")
    assert _outcome(t, "may", peer) == "plain"


def require_takes_an_unverified_certificate(t):
    assert _outcome(t, "require", t.tls_peer()).startswith("TLS")


def require_holds_mail_when_tls_is_not_offered(t):
    peer = t.peer()
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {"tls": "require"}}}})
    submit(daemon.smtp, "b@example.net")
    peer.wait_attempts("EHLO", 1)
    until(lambda: peer.seen("QUIT") or peer.open == 0, 10, "the client to leave")
    assert not peer.seen("MAIL") and len(daemon.queue()) == 1


def require_holds_mail_when_the_handshake_fails(t):
    peer = t.tls_peer()
    peer.on("TLS", _garbage)
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {"tls": "require"}}}})
    submit(daemon.smtp, "b@example.net")
    peer.wait_attempts("STARTTLS", 1)
    daemon.wait_attempted()
    assert not peer.seen("MAIL") and len(daemon.queue()) == 1


def verify_refuses_a_self_signed_certificate(t):
    peer = t.tls_peer()
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {"tls": "verify"}}}})
    submit(daemon.smtp, "b@example.net")
    peer.wait_attempts("STARTTLS", 1)
    daemon.wait_attempted()
    assert not peer.seen("MAIL") and len(daemon.queue()) == 1


def verify_takes_a_certificate_of_a_known_authority_and_the_right_name(t):
    folder = t.dir / "tls"
    ca, _ = certs.certificate(folder, "ca", host="test authority", ca=True)
    good = certs.certificate(folder, "good", host="localhost", signer="ca")
    peer = t.peer(tls=certs.server_context(*good))
    daemon = t.relay(f"localhost:{peer.port}", {"delivery": {"domains": {"example.net": {"tls": "verify"}}}},
                     env={"SSL_CERT_FILE": str(ca)})
    submit(daemon.smtp, "b@example.net")
    assert peer.one().session.tls


def verify_refuses_the_wrong_name(t):
    folder = t.dir / "tls"
    ca, _ = certs.certificate(folder, "ca", host="test authority", ca=True)
    other = certs.certificate(folder, "other", host="other.example.org", signer="ca")
    peer = t.peer(tls=certs.server_context(*other))
    daemon = t.relay(f"localhost:{peer.port}", {"delivery": {"domains": {"example.net": {"tls": "verify"}}}},
                     env={"SSL_CERT_FILE": str(ca)})
    submit(daemon.smtp, "b@example.net")
    peer.wait_attempts("STARTTLS", 1)
    daemon.wait_attempted()
    assert not peer.seen("MAIL") and len(daemon.queue()) == 1


def accept_invalid_certs_lets_verify_pass_with_a_warning(t):
    peer = t.tls_peer()
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {"tls": "verify", "accept_invalid_certs": True}}}})
    submit(daemon.smtp, "b@example.net")
    assert peer.one().session.tls
    daemon.wait_log("SECURITY WARNING")


def accept_invalid_certs_of_a_domain_wins_over_the_global_one(t):
    peer = t.tls_peer()
    daemon = t.relay(peer, {"delivery": {"accept_invalid_certs": True,
                                         "domains": {"example.net": {"tls": "verify", "accept_invalid_certs": False}}}})
    submit(daemon.smtp, "b@example.net")
    peer.wait_attempts("STARTTLS", 1)
    daemon.wait_attempted()
    assert not peer.seen("MAIL") and len(daemon.queue()) == 1


def a_peer_that_offers_tls_again_inside_tls_is_no_loop(t):
    peer = t.tls_peer()
    peer.on("EHLO", "250 peer.example.net\nSTARTTLS\nPIPELINING")
    assert _outcome(t, "may", peer).startswith("TLS")
    assert peer.seen("STARTTLS") == 1
