"""The real OpenFeature flagd providers, as applications use them: in Python, and in Node."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

from helpers import ROOT

Context = t.Mapping[str, t.Any]

NODE_PACKAGES = ("@openfeature/flagd-provider@0.16.1", "@openfeature/server-sdk@1.23.0", "@grpc/grpc-js@1.14.4")
NODE_MODULES = ROOT / ".cache" / "node-flagd-0.16.1"
NODE_SCRIPT = """
const { OpenFeature } = require("@openfeature/server-sdk");
const { FlagdProvider } = require("@openfeature/flagd-provider");
(async () => {
  const [path, flag, fallback] = process.argv.slice(1);
  const contexts = JSON.parse(require("fs").readFileSync(0, "utf8"));
  await OpenFeature.setProviderAndWait(new FlagdProvider({ resolverType: "in-process", offlineFlagSourcePath: path }));
  const values = [];
  for (const context of contexts) values.push(await OpenFeature.getClient().getBooleanValue(flag, fallback === "true", context));
  console.log(JSON.stringify(values));
  await OpenFeature.close();
})();
"""


@contextlib.contextmanager
def python_client(path: pathlib.Path) -> t.Iterator[OpenFeatureClient]:
    """A client of a provider that watches the file at `path`, ten times a second."""
    provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(path), deadline_ms=100)
    api.set_provider_and_wait(provider, domain=str(path))
    try:
        yield api.get_client(domain=str(path))
    finally:
        provider.shutdown()


def ask_python(client: OpenFeatureClient, flag: str, contexts: t.Sequence[Context], *, fallback: bool = False) -> list[bool]:
    """The value of `flag` for each of the contexts; `fallback` is the default in the application's code."""
    return [client.get_boolean_value(flag, fallback, _context(context)) for context in contexts]


def ask_node(modules: pathlib.Path, path: pathlib.Path, flag: str, contexts: t.Sequence[Context], *, fallback: bool = False) -> list[bool]:
    """The same from Node, with the packages in `modules`."""
    command = ["node", "-e", NODE_SCRIPT, str(path), flag, str(fallback).lower()]
    done = subprocess.run(command, input=json.dumps(contexts), text=True, capture_output=True, cwd=modules, timeout=60)
    assert done.returncode == 0, done.stderr
    return t.cast("list[bool]", json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(name="node_modules", scope="session")
def node_modules_fixture() -> pathlib.Path:
    """A directory in which Node finds the provider; installed once for this checkout."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine, so flags are not read by a second language")
    if not (NODE_MODULES / "complete").exists():
        NODE_MODULES.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", str(NODE_MODULES), "--no-audit", "--no-fund", "--ignore-scripts", *NODE_PACKAGES]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        (NODE_MODULES / "complete").touch()
    return NODE_MODULES


def _context(context: Context) -> EvaluationContext:
    return EvaluationContext(context.get("targetingKey"), {key: value for key, value in context.items() if key != "targetingKey"})
