"""Certificates for tests, made with openssl(1)."""

import ssl
import subprocess


def certificate(folder, name="peer", *, host="peer.example.net", signer=None, days=30, not_after=None, ca=False):
    """Makes <folder>/<name>.pem and .key; self-signed, or signed by `signer` (a name made before)."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-keyout", str(key), "-out", str(cert), "-subj", f"/CN={host}", "-days", str(days),
               "-addext", f"subjectAltName=DNS:{host}"]
    if ca:
        command += ["-addext", "keyUsage=critical,keyCertSign,digitalSignature"]
    else:
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    if signer:
        command += ["-CA", str(folder / f"{signer}.pem"), "-CAkey", str(folder / f"{signer}.key")]
    if not_after:  # such as an expired one: x509 -days takes no past, so ca-style dates
        command += ["-not_after", not_after]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def server_context(cert, key, **options) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    for name, value in options.items():
        setattr(context, name, value)
    return context
