"""Looking at messages: what was put before them, and what a delivery status notification says."""

import email
import email.policy
import re


def trace_of(got: bytes, sent: bytes) -> bytes:
    """What was put before the message, which itself must have arrived unaltered."""
    assert got.endswith(sent), f"altered on its way:\n{got[:2000]!r}\nsent:\n{sent[:2000]!r}"
    trace = got[:len(got) - len(sent)]
    assert re.fullmatch(rb"(Received:[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)+", trace), f"not only Received: {trace!r}"
    return trace


class Dsn:
    """A multipart/report, taken apart (RFC 3464)."""

    def __init__(self, data: bytes):
        self.message = email.message_from_bytes(data, policy=email.policy.default)
        assert not self.message.defects, self.message.defects
        assert self.message.get_content_type() == "multipart/report", self.message.get_content_type()
        assert self.message.get_param("report-type") in ("delivery-status",), self.message["Content-Type"]
        parts = list(self.message.iter_parts())
        assert len(parts) in (2, 3), [p.get_content_type() for p in parts]
        self.text = parts[0].get_content()
        assert parts[1].get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        blocks = parts[1].get_payload()
        if isinstance(blocks, str):
            raw = parts[1].get_content()
            raw = raw.decode() if isinstance(raw, bytes) else raw
            blocks = [email.message_from_string(block) for block in re.split(r"\r?\n\r?\n", raw.strip())]
        blocks = [b for b in blocks if b.keys()]
        self.about = blocks[0]
        self.recipients = blocks[1:]
        self.returned = parts[2] if len(parts) > 2 else None

    def recipient(self, address):
        found = [r for r in self.recipients if address in str(r["Final-Recipient"])]
        assert len(found) == 1, f"{address} stands {len(found)} times in the report: {self.recipients}"
        return found[0]

    @property
    def returned_text(self) -> str:
        """The third part as text: the headers, or the whole message."""
        part = self.returned
        payload = part.get_payload()
        if isinstance(payload, list):
            return payload[0].as_string()
        return payload


def dsns(peer):
    """The reports among what a peer has taken."""
    return [Dsn(m.data) for m in list(peer.messages) if m.sender == ""]
