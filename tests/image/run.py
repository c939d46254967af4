"""Build the image of envs/Dockerfile and run the workflow in it: `python -m tests.image.run`.

Docker does it where its daemon is at hand. Else the Dockerfile's instructions are carried out one
after the other in a Debian root that debootstrap makes, as root: `FROM` becomes the same release of
Debian with its Python, and `RUN` a shell by chroot in a mount namespace of its own, so that nothing
stays mounted. There pip takes its packages from wheels that the pip of this environment has fetched
with its own settings. So this shows that the steps work, and not what the package index has.

All of it lies in build/image. The status is not 0 where a step fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from bench.material import REPOSITORY, checkout

BUILD = REPOSITORY / "build" / "image"
DOCKERFILE = REPOSITORY / "envs" / "Dockerfile"
TAG = "dokunuki-test"
WHEELS = "wheels"
# What the image of Python has beside Debian's smallest root.
INCLUDED = ("ca-certificates", "python3", "python3-pip", "python-is-python3")
# What a command mounts under this goes with it.
OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")
REPORT = Path("results", "report.html")


class Instruction(NamedTuple):
    """A line of a Dockerfile: its word in capitals, and the rest with its continuations joined."""

    word: str
    rest: str


def instructions(text: str) -> list[Instruction]:
    """What a Dockerfile says to do. Comments and empty lines are left out, within a step too."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    steps = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [Instruction(*step.split(maxsplit=1)) for step in steps]


class Base(NamedTuple):
    """The base image `python:3.11-slim-bookworm`, as a Python and a release of Debian."""

    python: str
    debian: str


def base_of(image: str) -> Base:
    """Read a tag of Python's image. Raises `SystemExit` for any other image."""
    match = re.fullmatch(r"python:(\d+\.\d+)-slim-(\w+)", image)
    if match is None:
        raise SystemExit(f"{DOCKERFILE}: FROM {image}: this knows python:X.Y-slim-DEBIAN alone")
    return Base(*match.groups())


def run(*command: str | Path, cwd: Path = REPOSITORY, env: dict[str, str] | None = None) -> None:
    """Run a command and show it. Raises `SystemExit` with its status where it fails."""
    print("+", shlex.join(map(str, command)), flush=True)
    status = subprocess.run(command, cwd=cwd, env=env, check=False).returncode
    if status:
        raise SystemExit(status)


def copy_of_the_workflow() -> Path:
    """The workflow in a folder of its own: the image gets it by a mount."""
    copied = BUILD / "workflow"
    shutil.rmtree(copied, ignore_errors=True)
    copied.mkdir(parents=True)
    checkout(copied)
    return copied


def docker_has_a_daemon() -> bool:
    """Whether `docker info` can tell of one."""
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return asked.returncode == 0


def in_docker(workflow: Path, command: str) -> None:
    """Build the image with Docker, and run `command` in it."""
    run("docker", "build", "-f", DOCKERFILE, "-t", TAG, ".")
    mount = f"{workflow}:/workflow"
    run("docker", "run", "--rm", "--shm-size=1g", "-v", mount, TAG, "bash", "-c", command)


def in_a_root(workflow: Path, command: str) -> None:
    """Carry out the Dockerfile's instructions in a Debian root, and run `command` in it."""
    steps = instructions(DOCKERFILE.read_text())
    base = base_of(steps[0].rest)
    if "{}.{}".format(*sys.version_info) != base.python:
        raise SystemExit(f"the image has Python {base.python}: run this with it")
    fetch_wheels()
    root = BUILD / "root"
    shutil.rmtree(root, ignore_errors=True)
    # It mounts the root's /proc too, and leaves it.
    included = f"--include={','.join(INCLUDED)}"
    run(*OWN_MOUNTS, "debootstrap", "--variant=minbase", included, base.debian, root)
    # Python's image lets pip install where Debian's Python would refuse.
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    (root / WHEELS).mkdir()
    working = "/"
    for word, rest in steps[1:]:
        if word == "RUN":
            in_root(root, working, rest)
        elif word == "COPY":
            *names, target = rest.split()
            (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copy2(REPOSITORY / name, root / target.lstrip("/"))
        elif word == "WORKDIR":
            working = rest
            (root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        else:
            raise SystemExit(f"{DOCKERFILE}: {word}: this does not know what to do for it")
    in_root(root, working, command, workflow)


def fetch_wheels() -> None:
    """Put what the image installs into a folder, with what it takes to build our package."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["slurm"],
        *project["build-system"]["requires"],
    ]
    lock = REPOSITORY / "requirements.lock"
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    run(*pip, "-c", lock, "-w", BUILD / WHEELS, *wanted)


def in_root(root: Path, working: str, command: str, workflow: Path | None = None) -> None:
    """Run a command of the shell in a root, from the folder `working`."""
    quoted = shlex.quote
    mounts = [
        f"mount --rbind /dev {quoted(f'{root}/dev')}",
        f"mount -t proc proc {quoted(f'{root}/proc')}",
        f"mount --bind {quoted(f'{BUILD}/{WHEELS}')} {quoted(f'{root}/{WHEELS}')}",
    ]
    if workflow is not None:
        mounts.append(f"mount --bind {quoted(str(workflow))} {quoted(f'{root}/workflow')}")
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    inside = f"cd {working} && {command}"
    script = " && ".join([*mounts, f"exec chroot {quoted(str(root))} bash -c {quoted(inside)}"])
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"/{WHEELS}",
        **{name: os.environ[name] for name in ("http_proxy", "https_proxy") if name in os.environ},
    }
    print("+ in the root:", command, flush=True)
    run(*OWN_MOUNTS, "sh", "-ec", script, env=environment)


def main() -> None:
    """Build, run, and look for the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--command",
        default="snakemake --cores all --quiet rules host",
        help="what runs in the image, in the workflow's folder (default: the quick run)",
    )
    arguments = parser.parse_args()
    workflow = copy_of_the_workflow()
    if docker_has_a_daemon():
        in_docker(workflow, arguments.command)
    elif os.geteuid() == 0 and shutil.which("debootstrap"):
        print("Docker has no daemon here: the steps are carried out in a root of debootstrap's")
        in_a_root(workflow, arguments.command)
    else:
        raise SystemExit("this takes Docker's daemon, or root and debootstrap on Debian")
    if not (workflow / REPORT).is_file():
        raise SystemExit(f"{workflow / REPORT} was not made")
    print(f"The image works; the report is at {workflow / REPORT}")


if __name__ == "__main__":
    main()
