"""Plays the manifests with podman, and does what Kubernetes would: tries jobs again, makes probes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.k8s.podman_pods import Manifest, Playable, playable

PODMAN = shutil.which("podman")
TRIES = 10  # of a job, as its backoffLimit
REPOSITORY = Path(__file__).parents[3]


class PodmanError(RuntimeError):
    """podman did not do what it was asked to."""


def engine_settings(folder: Path) -> Path:
    """A containers.conf for machines that podman's defaults do not fit: those with low limits, and those with
    both versions of cgroups at once, which crun does not know."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(files, 65_536) if files > 0 else 65_536
    lines = ["[containers]", f'default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]']
    if Path("/sys/fs/cgroup/unified").exists() and shutil.which("runc"):
        lines += ["[engine]", 'runtime = "runc"']
    path = folder / "containers.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


class Cluster:
    """Pods on a network of their own. Use as a context; leaving it removes them with their volumes."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._environment = {**os.environ, "CONTAINERS_CONF": str(engine_settings(folder))}
        self._played: list[str] = []
        self._claimed: set[str] = set()
        self._temporary: set[str] = set()
        self._suite = Playable()

    def __enter__(self) -> Cluster:
        self.podman("network", "create", self._name)
        return self

    def __exit__(self, *_: object) -> None:
        if self._played:
            self.podman("pod", "rm", "--force", "--time", "0", *self._played, check=False)
        volumes = {each["metadata"]["name"] for each in self._suite.objects} | self._temporary
        self.podman("volume", "rm", "--force", *sorted(volumes), check=False)
        self.podman("network", "rm", "--force", self._name, check=False)

    def podman(self, *arguments: str, check: bool = True) -> str:
        """What podman prints. Raises PodmanError when it fails, unless `check` is false."""
        assert PODMAN is not None
        done = subprocess.run(
            [PODMAN, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if check and done.returncode != 0:
            raise PodmanError(f"podman {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def load(self, images: Sequence[str]) -> None:
        """Bring images of the Docker engine to podman. Raises PodmanError when one is missing."""
        missing = [
            image
            for image in images
            if self._id(["docker"], image) != self._id([str(PODMAN)], f"localhost/{image}")
        ]
        if not missing:
            return
        # All at once, so that what they share comes once.
        with subprocess.Popen(
            ["docker", "save", *missing], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as save:
            load = subprocess.run(
                [str(PODMAN), "load", "-q"],
                stdin=save.stdout, env=self._environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
        if save.returncode != 0 or load.returncode != 0:
            raise PodmanError(f"images cannot be brought from docker to podman: {load.stderr}")

    def _id(self, engine: list[str], image: str) -> str:
        done = subprocess.run(
            [*engine, "image", "inspect", "--format", "{{.Id}}", image],
            env=self._environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0 and engine == ["docker"]:
            raise PodmanError(f"docker has no image {image}")
        return done.stdout.strip().removeprefix("sha256:")

    def read(self, manifests: Sequence[Manifest], *, tag: str) -> Playable:
        """Have these manifests played from now on."""
        self._suite = playable(manifests, tag=tag)
        return self._suite

    def play(self, *pods: Manifest) -> None:
        """Make pods and start them."""
        names = [pod["metadata"]["name"] for pod in pods]
        path = self._folder / f"{'-'.join(names)}.yaml"
        path.write_text(yaml.safe_dump_all([*self._objects_for(pods), *pods]))
        self._played += names
        self._temporary |= {
            volume["name"] for pod in pods for volume in pod["spec"]["volumes"] if "emptyDir" in volume
        }
        self.podman("play", "kube", "--network", self._name, str(path))

    def remove(self, pod: str) -> None:
        """Stop a pod, at once, and forget it."""
        self.podman("pod", "rm", "--force", "--time", "0", pod)
        self._played.remove(pod)

    def _objects_for(self, pods: Sequence[Manifest]) -> list[Manifest]:
        """What podman must be told with pods: every ConfigMap, since it does not keep them, and claims that
        are new, since it does."""
        names = {
            volume["persistentVolumeClaim"]["claimName"]
            for pod in pods
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        } - self._claimed
        self._claimed |= names
        return [
            each
            for each in self._suite.objects
            if each["kind"] == "ConfigMap" or each["metadata"]["name"] in names
        ]

    def job(self, pod: Manifest, *, tries: int = TRIES) -> str:
        """Run a pod to its end and return what it printed; one that fails is tried again. Raises
        PodmanError."""
        name = pod["metadata"]["name"]
        output = ""
        for _ in range(tries):
            self.play(pod)
            status = self.podman("wait", container_of(pod)).strip()
            output = self.logs_of(pod)
            printed = self.podman("logs", container_of(pod))
            self.remove(name)
            if status == "0":
                return printed
        raise PodmanError(f"the job {name} failed {tries} times: {output}")

    def address(self, pod: str) -> str:
        """The IP address of a pod."""
        (container,) = json.loads(self.podman("inspect", self._infra(pod)))
        return str(container["NetworkSettings"]["Networks"][self._name]["IPAddress"])

    def _infra(self, pod: str) -> str:
        # With one pod asked for podman 4 prints an object, podman 5 a list.
        found = json.loads(self.podman("pod", "inspect", pod))
        return str((found[0] if isinstance(found, list) else found)["InfraContainerID"])

    def probe(self, pod: str, kind: str) -> bool:
        """What kubelet would find with a probe of the manifest: startupProbe, livenessProbe or
        readinessProbe."""
        container = self._suite.probed[pod]
        probe: Mapping[str, Any] = container[kind]
        seconds = probe.get("timeoutSeconds", 1)
        if "exec" in probe:
            try:
                self.podman("exec", f"{pod}-{container['name']}", *probe["exec"]["command"])
            except PodmanError:
                return False
            return True
        address = self.address(pod)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        if "grpc" in probe:
            return _serving(f"{address}:{probe['grpc']['port']}", probe["grpc"].get("service", ""), seconds)
        if "tcpSocket" in probe:
            with socket.socket() as connection:
                connection.settimeout(seconds)
                return connection.connect_ex((address, ports[probe["tcpSocket"]["port"]])) == 0
        get = probe["httpGet"]
        try:
            url = f"http://{address}:{ports[get['port']]}{get['path']}"
            with urllib.request.urlopen(url, timeout=seconds) as answer:
                return 200 <= int(answer.status) < 400
        except (urllib.error.URLError, OSError):
            return False

    def pre_stop(self, pod: str, **settings: str) -> str:
        """Do what Kubernetes would do before it stops a pod, with these settings changed; what that printed.
        Raises PodmanError when it fails."""
        container = self._suite.probed[pod]
        command: list[str] = container["lifecycle"]["preStop"]["exec"]["command"]
        options = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        return self.podman("exec", *options, f"{pod}-{container['name']}", *command)

    def logs(self) -> str:
        """The last lines of every container."""
        return "\n".join(
            f"== {name}\n{self.logs_of(pod)}"
            for name, pod in self._suite.pods.items()
            if name in self._played
        )

    def logs_of(self, pod: Manifest) -> str:
        """The last lines of a container, on whatever stream they are."""
        assert PODMAN is not None
        return subprocess.run(
            [PODMAN, "logs", "--tail", "10", container_of(pod)],
            env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        ).stdout  # fmt: skip


def container_of(pod: Manifest) -> str:
    """Podman's name of the one container of a pod."""
    return f"{pod['metadata']['name']}-{pod['spec']['containers'][0]['name']}"


def _serving(target: str, service: str, seconds: float) -> bool:
    with grpc.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=seconds)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
