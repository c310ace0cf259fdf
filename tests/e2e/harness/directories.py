"""Real servers that keep accounts: PostgreSQL, MariaDB and slapd of Debian, each in a folder and on a port of its own."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from .wait import until

NOBODY = 65534


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _find(build, peer, pattern):
    """A program below the unpacked peer or in the system, and the root it stands below."""
    for root in (build / "peers" / peer, build.parent / "peers" / peer, Path("/")):
        found = sorted(root.glob(pattern)) if root.exists() else []
        if found:
            return found[-1], root
    return None, None


class Server:
    """What ends with the test. As root the program runs as nobody: these servers refuse to be root."""

    def __init__(self, folder: Path, root: Path):
        self.dir, self.port, self.process = folder, _free_port(), None
        self.env = dict(os.environ, LC_ALL="C", HOME=str(folder), TZ="UTC")
        if root != Path("/"):
            libraries = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu", root / "usr/lib"]
            self.env["LD_LIBRARY_PATH"] = ":".join(str(path) for path in libraries)
        folder.mkdir(parents=True)
        for parent in folder.parents:
            if parent != Path("/") and parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
        self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        self.own(folder)

    def own(self, path):
        if self.user:
            os.chown(path, NOBODY, NOBODY)

    def run(self, *command, **options):
        done = subprocess.run([str(word) for word in command], env=self.env, cwd=self.dir, capture_output=True, text=True,
                              timeout=100, **self.user, **options)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def spawn(self, *command):
        log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen([str(word) for word in command], env=self.env, cwd=self.dir, stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, **self.user)
        log.close()
        until(lambda: self.process.poll() is not None or _listens(self.port), 60, "the server to listen")
        assert self.process.poll() is None, (self.dir / "log").read_text()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)


class Postgresql(Server):
    @staticmethod
    def find(build):
        return _find(build, "postgresql", "usr/lib/postgresql/*/bin/postgres")

    def __init__(self, folder, build):
        program, root = self.find(build)
        super().__init__(folder, root)
        self.bin = program.parent
        password = folder / "password"
        password.write_text("sql secret\n")
        self.own(password)
        self.run(self.bin / "initdb", "-D", folder / "data", "-U", "mail", "-A", "scram-sha-256", "--pwfile", password,
                 "-E", "UTF8", "--no-sync")
        self.env["PGPASSWORD"] = "sql secret"
        self.start()
        self.run(self.bin / "createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "mail", "-E", "UTF8", "-T", "template0", "mail")

    def start(self):
        self.spawn(self.bin / "postgres", "-D", self.dir / "data", "-p", self.port, "-h", "127.0.0.1", "-k", self.dir,
                   "-c", "fsync=off")
        until(lambda: subprocess.run([self.bin / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)], env=self.env,
                                     capture_output=True, timeout=30).returncode == 0, 60, "PostgreSQL to be ready")

    def execute(self, script):
        self.run(self.bin / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port, "-U", "mail", "mail",
                 input=script)


class Mariadb(Server):
    @staticmethod
    def find(build):
        return _find(build, "mariadb", "usr/sbin/mariadbd")

    def __init__(self, folder, build):
        program, root = self.find(build)
        super().__init__(folder, root)
        self.program, self.root = program, root
        data = folder / "data"
        data.mkdir()
        self.own(data)
        boot = ["CREATE DATABASE mysql;", "USE mysql;"]
        for name in ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"):
            lines = (root / "usr/share/mysql" / name).read_text(errors="replace").splitlines()
            boot += [line for line in lines if "@current_hostname" not in line]
        boot.append("FLUSH PRIVILEGES;\nCREATE DATABASE mail CHARACTER SET utf8mb4;\n"
                    "CREATE USER 'mail'@'%' IDENTIFIED BY 'sql secret';\nGRANT ALL ON mail.* TO 'mail'@'%';\n")
        self.run(*self._command(), "--bootstrap", input="\n".join(boot))
        self.start()

    def _command(self):
        return (self.program, "--no-defaults", f"--datadir={self.dir / 'data'}", f"--lc-messages-dir={self.root / 'usr/share/mysql'}",
                f"--plugin-dir={self.root / 'usr/lib/mysql/plugin'}", "--skip-name-resolve", "--innodb-flush-method=fsync",
                "--innodb-buffer-pool-size=16M", "--character-set-server=utf8mb4")

    def start(self):
        self.spawn(*self._command(), f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.dir / 'socket'}",
                   f"--pid-file={self.dir / 'pid'}")

    def execute(self, script):
        client, _ = _find(Path(str(self.root)).parent.parent, "mariadb", "usr/bin/mariadb")
        self.run(client or "mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", self.port, "-u", "mail", "-psql secret", "mail",
                 input=script)


class Slapd(Server):
    @staticmethod
    def find(build):
        return _find(build, "slapd", "usr/sbin/slapd")

    def __init__(self, folder, build, ldif, certificate):
        """certificate: paths of the PEM chain and key that StartTLS shows."""
        program, root = self.find(build)
        super().__init__(folder, root)
        self.program = program
        (folder / "data").mkdir()
        self.own(folder / "data")
        tls = []
        for name, source in zip(("cert.pem", "key.pem"), certificate):
            shutil.copy(source, folder / name)
            self.own(folder / name)
            tls.append(folder / name)
        schema = root / "etc/ldap/schema"
        (folder / "slapd.conf").write_text(f"""\
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
include {schema}/misc.schema
modulepath {root}/usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {tls[0]}
TLSCertificateKeyFile {tls[1]}
database mdb
directory {folder}/data
maxsize 16777216
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw "ldap secret"
""")
        (folder / "people.ldif").write_text(ldif)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        # slapadd is slapd by another name.
        os.symlink(program, folder / "slapadd")
        self.run(folder / "slapadd", "-f", folder / "slapd.conf", "-l", folder / "people.ldif")
        self.start()

    def start(self):
        self.spawn(self.program, "-d", "0", "-f", self.dir / "slapd.conf", "-h", f"ldap://127.0.0.1:{self.port}")
