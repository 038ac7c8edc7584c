"""Connect to Redis or Valkey, and check whether the server can be the broker."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterCrossSlotError, ClusterError, MasterDownError, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from storage.broker_url import BrokerUrl
from storage.faults import Fault

PROTOCOL = 2
"""RESP2: every server speaks it, without HELLO."""
MIN_VERSION = (6, 2)
"""Celery's transport needs `ZADD … GT`, which this version introduced."""
PROBE_S = 3.0
_ABSENT = "submit:reelq-probe"
# Commands of Celery's transport and of our counters, on their keys and channels, but without an effect.
NO_EFFECT = ("LPUSHX", _ABSENT, "x")
"""A write that changes nothing. A server that takes no messages refuses it: one that is read-only, or full."""
_NEEDED: tuple[tuple[str, ...], ...] = (
    ("LLEN", "submit"),
    ("BRPOP", _ABSENT, "0.01"),
    NO_EFFECT,
    ("SREM", "_kombu.binding.submit", _ABSENT),
    ("HDEL", "unacked", _ABSENT),
    ("ZREM", "unacked_index", _ABSENT),
    ("ZADD", "unacked_index", "XX", "GT", "1", _ABSENT),
    ("EVAL", "return 1", "0"),
    ("DEL", "reelq:rate:reelq-probe"),
    ("PUBLISH", "/{db}.celery.pidbox/reelq-probe", "x"),
)


class BrokerUnavailable(Fault):
    """The broker does not respond at the moment. The text is one line, without the password."""

    code = "broker_down"


class BrokerUnfit(BrokerUnavailable):
    """The server cannot be the broker until the server or the configuration is changed."""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What a server that can be the broker says of itself; a user without INFO sees nothing of it.

    `name`: its kind and version, "" if unknown. `evicts`: the policy by which it drops messages when its memory is
    full; None: it drops none. `used`: the share of its memory that is in use, from 0 to 1; None: it has no limit.
    """

    name: str = ""
    evicts: str | None = None
    used: float | None = None


def tls_arguments(target: BrokerUrl) -> dict[str, Any] | None:
    """redis-py's arguments for TLS, which Celery's transport passes on; None: no TLS."""
    if target.tls is None:
        return None
    return {**target.tls, "ssl_cert_reqs": ssl.VerifyMode[f"CERT_{str(target.tls['ssl_cert_reqs']).upper()}"]}


def sentinel_arguments(target: BrokerUrl) -> dict[str, Any]:
    """redis-py's arguments for the Sentinels themselves."""
    found: dict[str, Any] = {
        "username": target.sentinel_username,
        "password": target.sentinel_password,
        "protocol": PROTOCOL,
        "socket_timeout": PROBE_S,
        "socket_connect_timeout": target.connect_timeout_s or PROBE_S,
        "retry": Retry(NoBackoff(), 0),  # ask the next one at once; by default redis-py retries a dead one for seconds
    }
    tls = tls_arguments(target)
    return found if tls is None else {**found, "ssl": True, **tls}


def client(target: BrokerUrl, timeout_s: float) -> redis.Redis:
    """A client; a command that is not answered within `timeout_s` raises an error. Threads may share it."""
    arguments: dict[str, Any] = {
        "db": target.db,
        "username": target.username,
        "password": target.password,
        "protocol": PROTOCOL,
        "socket_timeout": timeout_s,
    }
    once = Retry(NoBackoff(), 1)  # for a connection that was closed while it was idle
    if target.socket_path is not None:
        return redis.Redis(unix_socket_path=target.socket_path, retry=once, **arguments)
    arguments |= {"socket_connect_timeout": target.connect_timeout_s or timeout_s, "socket_keepalive": True}
    tls = tls_arguments(target)
    if tls is not None:
        arguments |= {"ssl": True, **tls}
    if target.sentinel_master is not None:
        make: Any = Sentinel  # untyped
        sentinels = make(target.hosts, sentinel_kwargs=sentinel_arguments(target), **arguments)
        found: redis.Redis = sentinels.master_for(target.sentinel_master, retry=once)
        return found
    [(host, port)] = target.hosts
    return redis.Redis(host=host, port=port, retry=once, **arguments)


def check(connection: redis.Redis, target: BrokerUrl) -> BrokerFacts:
    """Check in one round trip whether the server can be the broker, and takes writes.

    Raises:
        BrokerUnfit: it is too old, a cluster, has an untrusted certificate, or refuses the user or a needed command.
        BrokerUnavailable: it does not respond, or refuses writes at the moment.
    """
    try:
        pipe: Any = connection.pipeline(transaction=False)
        pipe.execute_command("PING")
        pipe.execute_command("INFO")
        for name, *rest in _NEEDED:
            pipe.execute_command(name, *(word.replace("{db}", str(target.db)) for word in rest))
        pinged, info, *answers = pipe.execute(raise_on_error=False)
    except (RedisError, OSError) as exc:
        if isinstance(exc, redis.TimeoutError) and _accepts(target):
            raise _silent(target) from exc
        raise (_cluster(target) if _of_cluster(exc) else _explained(exc, target)) from exc
    if isinstance(pinged, Exception):
        raise _explained(pinged, target) from pinged
    facts: Mapping[str, Any] = info if isinstance(info, dict) else {}  # INFO may be forbidden
    name = _check_version(facts, target)
    if str(facts.get("cluster_enabled", "0")) == "1" or any(_of_cluster(answer) for answer in answers):
        raise _cluster(target)
    if facts.get("role") == "slave":
        raise BrokerUnavailable(
            f"broker at {target.where} is a read-only replica; name its master, or Sentinels", code="broker_replica"
        )
    for command, answer in zip(_NEEDED, answers, strict=True):
        if command[0] == "ZADD" and "syntax error" in str(answer):
            raise _too_old("a Redis without `ZADD … GT`", target)
        if isinstance(answer, Exception):
            raise _explained(answer, target, " ".join(command[:2]))
    return _facts(name, facts)


def _cluster(target: BrokerUrl) -> BrokerUnfit:
    return BrokerUnfit(
        f"broker at {target.where} is a Redis Cluster, in which one command may not use the keys of several "
        "queues, as Celery's do; use a server or a replica set without cluster mode",
        code="broker_cluster",
    )


def _silent(target: BrokerUrl) -> BrokerUnavailable:
    where = f"broker at {target.where} accepts connections, but does not"
    if target.tls is not None:
        hint = "if it speaks no TLS at this port, use redis:// in broker_url"
        return BrokerUnavailable(f"{where} begin TLS; {hint}", code="broker_tls")
    hint = "restart it if it hangs, or correct broker_url if it is no Redis or Valkey"
    return BrokerUnavailable(f"{where} answer; {hint}", code="broker_silent")


def _accepts(target: BrokerUrl) -> bool:
    """Whether the server takes connections, whatever it speaks: one without TLS waits for the end of a command."""
    try:
        with socket.create_connection(target.hosts[0], PROBE_S):
            return True
    except (OSError, IndexError):
        return False


def _facts(name: str, facts: Mapping[str, Any]) -> BrokerFacts:
    policy, most = str(facts.get("maxmemory_policy", "noeviction")), int(facts.get("maxmemory", 0))
    return BrokerFacts(
        name,
        policy if most and policy != "noeviction" else None,
        int(facts.get("used_memory", 0)) / most if most else None,
    )


def _check_version(facts: Mapping[str, Any], target: BrokerUrl) -> str:
    valkey = facts.get("valkey_version")
    said = str(valkey or facts.get("redis_version") or "")
    numbers = tuple(int(number) for number in re.findall(r"\d+", said)[:2])
    name = f"{'Valkey' if valkey else 'Redis'} {said}".strip()
    if numbers and numbers < MIN_VERSION:
        raise _too_old(name, target)
    return name


def _too_old(name: str, target: BrokerUrl) -> BrokerUnfit:
    least = ".".join(str(number) for number in MIN_VERSION)
    return BrokerUnfit(
        f"broker at {target.where} is {name}; reelq needs Redis {least} or later, or Valkey", code="broker_version"
    )


def _of_cluster(answer: object) -> bool:
    """Whether only a cluster answers so: another node has the key, or there is no choice of databases."""
    if isinstance(answer, MasterDownError):  # said by a replica, and a ClusterError to redis-py
        return False
    return isinstance(answer, (AskError, ClusterError, ClusterCrossSlotError)) or (
        isinstance(answer, RedisError) and bool(re.match(r"Keys in request|.*\bcluster\b", str(answer), re.IGNORECASE))
    )


def explained(exc: Exception, target: BrokerUrl) -> BrokerUnavailable:
    """What an error of a command or of a connection says of a broker that has worked before."""
    text = str(exc)
    if isinstance(exc, redis.TimeoutError) and "reading" in text:
        return _silent(target)
    if re.search(r"Connection closed by server|reset by peer", text):
        return BrokerUnavailable(f"broker at {target.where} closed the connection")
    return _explained(exc, target)


def _explained(exc: Exception, target: BrokerUrl, command: str = "") -> BrokerUnavailable:
    text = next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__).rstrip(".")
    for secret in (target.password, target.sentinel_password):
        text = text.replace(secret, "***") if secret else text
    where = f"broker at {target.where}"
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        return BrokerUnfit(
            f"{where}: its certificate cannot be verified ({text}); name its authority in ca_file, "
            "with ssl_ca_certs=FILE in broker_url or in SSL_CERT_FILE, or trust any server with ssl_cert_reqs=none",
            code="broker_tls",
        )
    if isinstance(exc, redis.exceptions.AuthenticationError) or re.match(r"NOAUTH|WRONGPASS", text):
        return BrokerUnfit(f"{where} refuses the user or password of broker_url: {text}", code="broker_password")
    if isinstance(exc, redis.exceptions.NoPermissionError) or text.startswith("NOPERM"):
        missing = f"the user of broker_url lacks a right that reelq needs ({command})"
        return BrokerUnfit(f"{where}: {missing}: {text}", code="broker_right")
    if target.tls is not None and "ssl_certfile" not in target.tls and re.search(_ENDED_TLS, text):
        hint = "if it wants a client's certificate, add ssl_certfile=FILE and ssl_keyfile=FILE to broker_url"
        return BrokerUnavailable(f"{where} ended the TLS session: {text}; {hint}", code="broker_tls")
    for pattern, code, advice in _ADVICE:
        if re.search(pattern, text):
            return BrokerUnavailable(f"{where}: {text}; {advice}", code=code)
    return BrokerUnavailable(f"{where}: {text}")


_ENDED_TLS = r"EOF occurred in violation|certificate required|Connection closed by server|reset by peer"
_ADVICE = (
    (
        r"^OOM|command not allowed when used memory|maxmemory",
        "broker_full",
        "it takes no message, so nothing runs: raise its maxmemory, or remove what else fills it",
    ),
    (
        r"^MISCONF",
        "broker_misconf",
        "it cannot write its snapshot: free its disk, or switch snapshots off (`save ''`), which reelq does not need",
    ),
    (r"^READONLY|^Link with MASTER is down", "broker_replica", "name its master, or Sentinels"),
    (
        r"DB index is out of range",
        "broker_database",
        "it has fewer databases: end broker_url with a lower number, such as /0",
    ),
    (r"max number of clients", "broker_connections", "raise its maxclients, or use a server that others do not share"),
    (
        r"WRONG_VERSION_NUMBER|wrong version number|record layer failure",
        "broker_tls",
        "it speaks no TLS at this port: use redis:// in broker_url, or the port for TLS",
    ),
    (
        r"Protocol Error: b?['\"]\\x15\\x03",
        "broker_tls",
        "it expects TLS: use rediss:// in broker_url",
    ),
    (
        r"Protocol Error|Connection closed by server|reset by peer|unknown command",
        "broker_other_server",
        "is this a Redis or Valkey? Correct the host and port of broker_url, and use rediss:// if it expects TLS",
    ),
)
"""What a server says, the row of docs/doctor.md, and what to do."""
