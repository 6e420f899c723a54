"""The two AWS clients of the demo, both unmodified: boto3, and the AWS SDK for JavaScript through client.mjs.

Rule: neither knows Mailseal; the AWS_* variables say where to go.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = Path(__file__).resolve().parent
SDK = HERE.parent.parent / ".dev" / "npm" / "node_modules" / "@aws-sdk" / "client-sesv2"


class Refused(Exception):
    """The service answered with an error; its name and sentence are the SDK's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class Boto3:
    """boto3's client for SES v2."""

    name = "boto3"

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._client = boto3.client(
            "sesv2",
            endpoint_url=environment["AWS_ENDPOINT_URL_SESV2"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """The answer to an operation named as AWS names it; raises Refused."""
        method = "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")
        try:
            answer: dict[str, Any] = getattr(self._client, method)(**members)
        except ClientError as error:
            raise Refused(error.response["Error"]["Code"], error.response["Error"]["Message"]) from None
        return answer

    def close(self) -> None:
        """Gives its connections back."""
        self._client.close()


class JavaScript:
    """The SDK for JavaScript in one long-lived node process, a line of JSON a call."""

    name = "JS SDK"

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._node = subprocess.Popen(
            ["node", str(HERE / "client.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            text=True,
        )

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """The answer to an operation named as AWS names it; raises Refused."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps({"command": f"{operation}Command", "input": members}) + "\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        if not line:
            raise RuntimeError("node ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Refused(str(answer["error"].get("name")), str(answer["error"].get("message")))
        response: dict[str, Any] = answer["response"]
        return response

    def close(self) -> None:
        """Ends node."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.close()
        try:
            self._node.wait(5)
        except subprocess.TimeoutExpired:
            self._node.kill()
            self._node.wait(5)
        self._node.stdout.close()


def javascript_gap() -> str:
    """Why the SDK for JavaScript cannot be asked here; empty where it can."""
    if shutil.which("node") is None:
        return "no node on this machine"
    return "" if (SDK / "package.json").is_file() else "not installed, ./dev setup --install"


def versions(js_gap: str) -> str:
    """The clients with their versions, for the first line."""
    if js_gap:
        return f"boto3 {boto3.__version__}"
    sdk = json.loads((SDK / "package.json").read_text(encoding="utf-8"))["version"]
    return f"boto3 {boto3.__version__}, AWS SDK for JavaScript {sdk}"
