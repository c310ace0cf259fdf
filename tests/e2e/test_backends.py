"""Accounts in other people's databases: the contract of tests/unit/auth/backend_contract.hpp against the real servers."""

import os
import sqlite3
import subprocess

from harness import directories
from harness.marks import within

# What the contract wants, in words that SQLite, PostgreSQL and MariaDB all understand. The hashes are {SSHA}.
SQL = """\
CREATE TABLE account (local VARCHAR(64), domain VARCHAR(255), name VARCHAR(200), password VARCHAR(400), disabled INT,
  quota BIGINT, max_messages BIGINT, scram_sha_1 VARCHAR(400), scram_sha_256 VARCHAR(400), PRIMARY KEY (local, domain));
CREATE TABLE alias (local VARCHAR(64), domain VARCHAR(255), target VARCHAR(320));
INSERT INTO account VALUES ('ann', 'example.org', 'Ann', '{ann}', 0, 1048576, 100, NULL, '{scram}');
INSERT INTO account VALUES ('bob', 'example.org', NULL, '{bob}', 1, NULL, NULL, NULL, NULL);
INSERT INTO alias VALUES ('team', 'example.org', 'ann@example.org'), ('team', 'example.org', 'carl@example.net'),
  ('', 'example.com', 'ann@example.org');
"""

LDIF = """\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Example
mail: ann@example.org
departmentNumber: 1MiB
roomNumber: 100
userPassword: {ann}

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Example
mail: bob@example.org
mail: robert@example.org
employeeType: TRUE
userPassword: {bob}

dn: cn=team@example.org,dc=example,dc=org
objectClass: nisMailAlias
cn: team@example.org
rfc822MailMember: ann@example.org
rfc822MailMember: carl@example.net

dn: cn=@example.com,dc=example,dc=org
objectClass: nisMailAlias
cn: @example.com
rfc822MailMember: ann@example.org

dn: cn=mail,dc=example,dc=org
objectClass: groupOfNames
cn: mail
member: uid=ann,ou=people,dc=example,dc=org
"""


def _ssha(password, salt=b"salt"):
    import base64
    import hashlib
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def _scram(password):
    import base64
    import hashlib
    import hmac
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salty", 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    parts = (b"salty", stored, hmac.digest(salted, b"Server Key", "sha256"))
    return "4096," + ",".join(base64.b64encode(part).decode() for part in parts)


def _filled(text):
    return text.replace("{ann}", _ssha("correct horse")).replace("{bob}", _ssha("battery staple")) \
        .replace("{scram}", _scram("correct horse"))


def _contract(t, case, **environment):
    tests = t.build / "tests/unit/unit-auth"
    assert tests.exists(), "build tests/unit/unit-auth"
    names = {f"POSTHORN_TEST_{key}": str(value) for key, value in environment.items()}
    done = subprocess.run([tests, f"-tc={case}"], capture_output=True, text=True, timeout=200, env=dict(os.environ, **names))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 passed" not in done.stdout.split("test cases:")[1].splitlines()[0], done.stdout  # one that is skipped is none


def _server(t, kind, *args):
    if kind.find(t.build)[0] is None:
        t.skip(f"no {kind.__name__}")
    server = kind(t.dir / kind.__name__.lower(), t.build, *args)
    t.closing.append(server.stop)
    return server


def sqlite_keeps_the_contract(t):
    file = t.dir / "accounts.sqlite"
    with sqlite3.connect(file) as db:
        db.executescript(_filled(SQL))
    db.close()
    _contract(t, "contract: sqlite", SQLITE=file)


@within(240)
def postgresql_keeps_the_contract(t):
    server = _server(t, directories.Postgresql)
    server.execute(_filled(SQL))
    _contract(t, "contract: postgresql", POSTGRESQL=1, SQL_HOST="127.0.0.1", SQL_PORT=server.port, SQL_USER="mail",
              SQL_PASSWORD="sql secret")


@within(240)
def mariadb_keeps_the_contract(t):
    server = _server(t, directories.Mariadb)
    server.execute(_filled(SQL))
    _contract(t, "contract: mariadb", MARIADB=1, SQL_HOST="127.0.0.1", SQL_PORT=server.port, SQL_USER="mail",
              SQL_PASSWORD="sql secret")


@within(240)
def slapd_keeps_the_contract(t):
    authority = t.certificate("authority", host="authority.example.org", ca=True)
    # libldap takes "localhost" for the machine's own name, so the certificate bears the address.
    certificate = t.certificate("slapd", host="127.0.0.1", signer="authority")
    server = _server(t, directories.Slapd, _filled(LDIF), certificate)
    _contract(t, "contract: ldap*,ldap: an entry*", LDAP=f"ldap://127.0.0.1:{server.port}")
    _contract(t, "contract: ldap*,ldap: a certificate*", LDAP=f"ldap://127.0.0.1:{server.port}", LDAP_STARTTLS=1,
              LDAP_CA=authority[0])
