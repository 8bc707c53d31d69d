"""Where the clients run: their virtual environments, their sources, and the local cloud."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from src.local_cloud.local_cloud import LocalCloud

HERE = Path(__file__).parent
BUCKET = "clients"
_REQUIREMENTS = HERE / "requirements.txt"


def requirements(section):
    """Return the lines of one section of requirements.txt."""
    text = _REQUIREMENTS.read_text().split(f"# [{section}]\n")[1].split("\n# [")[0]
    return [line for line in text.splitlines() if line.strip()]


@dataclass(frozen=True)
class Places:
    """The scratch folder of one run, and the cloud that its clients reach."""

    scratch: Path
    cloud: LocalCloud
    checkouts: dict[str, Path]  # of sources that are in no registry, by name

    def python(self, section):
        """Return the interpreter of a section's environment; makes it where it is missing."""
        folder, wanted = self.scratch / section, "\n".join(requirements(section))
        digest, mark = hashlib.sha256(wanted.encode()).hexdigest(), folder / "installed"
        python = folder / "bin/python"
        if not mark.exists() or mark.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            _quietly(self._uv(), "venv", "--python", sys.executable, folder)
            lines = self.scratch / f"{section}.txt"
            lines.write_text(wanted)
            _quietly(self._uv(), "pip", "install", "--python", python, "-r", lines)
            mark.write_text(digest)
        return python

    def source(self, section, package):
        """Return a package's source distribution, of the version its environment has."""
        code = f"from importlib.metadata import version; print(version({package!r}))"
        version = subprocess.check_output([self.python(section), "-c", code], text=True).strip()
        folder = self.scratch / "sources" / f"{package.replace('-', '_')}-{version}"
        if not folder.exists():
            _quietly(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", package,
                     "--dest", folder.parent, f"{package}=={version}")  # fmt: skip
            (archive,) = folder.parent.glob(f"{folder.name}.tar.gz")
            with tarfile.open(archive) as opened:
                opened.extractall(folder.parent, filter="data")
        return folder

    def node_modules(self):
        """Return a folder with node-postgres."""
        folder = self.scratch / "node"
        if not (folder / "node_modules/pg").exists():
            folder.mkdir(exist_ok=True)
            _quietly("npm", "install", "--prefix", folder, "pg@8")
        return folder / "node_modules"

    def environment(self, results):
        """Return the environment of a client's process: nothing of the user's own settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "AWS_", "PIP_"))}
        address = self.cloud.front_address()
        folder = Path(self.cloud.folder)
        s3 = self.cloud.s3_client()
        keys = s3._request_signer._credentials
        return {
            **kept,
            "CLIENT_PORT": str(address["port"]),
            "CLIENT_PASSWORD": address["password"],
            "CLIENT_S3": s3.meta.endpoint_url,
            "CLIENT_CA": str(folder / "tls/ca.pem"),
            "CLIENT_RESULTS": str(results),
            "SSL_CERT_FILE": str(folder / "tls/ca.pem"),
            "AWS_ENDPOINT_URL_S3": s3.meta.endpoint_url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        }

    def _uv(self):
        folder = self.scratch / "uv"
        if not (folder / "bin/uv").exists():
            _quietly(sys.executable, "-m", "venv", folder)
            _quietly(folder / "bin/pip", "install", "uv~=0.9")
        return folder / "bin/uv"


def _quietly(*command):
    """Run a command; raises with its output where it fails."""
    environment = dict(os.environ)
    if certificates := os.environ.get("PIP_CERT"):
        environment["SSL_CERT_FILE"] = certificates
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False, env=environment)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
