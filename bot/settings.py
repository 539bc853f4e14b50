"""Environment and settings file into one frozen Settings; an absent credential selects the local stand-in."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from dotenv import dotenv_values
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import OperatorMustFix

SECRETS = ("_TOKEN", "_SECRET", "_KEY", "MCP_SERVERS", "DATABASE_URL")  # parts of names whose values are not shown
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class _Environment(BaseSettings):
    """The names as they stand in the environment and in CADRE_HOME/cadre.env."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, populate_by_name=True)

    home: Path = Field(default=Path.home() / ".cadre", validation_alias="CADRE_HOME")
    database_url: str = Field(default="", validation_alias="CADRE_DATABASE_URL")
    model: str = Field(default="auto", validation_alias="CADRE_MODEL")
    clock_url: str = Field(default="", validation_alias="CADRE_CLOCK_URL")
    retry_budget: float = Field(default=900.0, validation_alias="CADRE_RETRY_BUDGET")
    use_real: bool = Field(default=False, validation_alias="CADRE_USE_REAL")
    public_url: str = Field(default="", validation_alias="CADRE_PUBLIC_URL")
    secret_key: str = Field(default="", validation_alias="CADRE_SECRET_KEY")
    zone: str = Field(default="UTC", validation_alias="CADRE_ZONE")
    budget_run: Decimal = Field(default=Decimal(0), ge=0, validation_alias="CADRE_BUDGET_RUN")
    budget_channel: Decimal = Field(default=Decimal(0), ge=0, validation_alias="CADRE_BUDGET_CHANNEL")
    budget_org: Decimal = Field(default=Decimal(0), ge=0, validation_alias="CADRE_BUDGET_ORG")
    budget_approvers: str = Field(default="", validation_alias="CADRE_BUDGET_APPROVERS")
    price_as: str = Field(default="", validation_alias="CADRE_PRICE_AS")
    plan_ask: int = Field(default=12, ge=0, validation_alias="CADRE_PLAN_ASK")
    plan_ask_cost: Decimal = Field(default=Decimal(10), ge=0, validation_alias="CADRE_PLAN_ASK_COST")
    dm_after: float = Field(default=5.0, ge=0, validation_alias="CADRE_DM_AFTER")
    mcp_servers: str = Field(default="", validation_alias="CADRE_MCP_SERVERS")
    web_allow: str = Field(default="", validation_alias="CADRE_WEB_ALLOW")
    slack_api_url: str = Field(default="", validation_alias="SLACK_API_URL")
    slack_bot_token: str = Field(default="", validation_alias="SLACK_BOT_TOKEN")
    slack_app_token: str = Field(default="", validation_alias="SLACK_APP_TOKEN")
    slack_signing_secret: str = Field(default="", validation_alias="SLACK_SIGNING_SECRET")
    google_base_url: str = Field(default="", validation_alias="GOOGLE_API_BASE_URL")
    google_credentials: str = Field(default="", validation_alias="GOOGLE_APPLICATION_CREDENTIALS")
    google_delegate: bool = Field(default=False, validation_alias="CADRE_GOOGLE_DELEGATE")
    anthropic_api_key: str = Field(default="", validation_alias="ANTHROPIC_API_KEY")
    anthropic_base_url: str = Field(default="", validation_alias="ANTHROPIC_BASE_URL")


@dataclass(frozen=True)
class Settings:
    """What the composition root needs, all of it decided."""

    home: Path
    database_url: str
    engine_url: str
    model: str
    clock_url: str
    retry_budget: float  # seconds a failing dependency is retried
    public_url: str
    zone: str
    mcp_servers: dict[str, Any]  # the ecosystem's own shape: alias -> {command, args, env} or {url, headers}
    slack_api_url: str
    slack_bot_token: str
    slack_app_token: str
    slack_signing_secret: str
    slack_counts: bool  # whether Slack limits calls per minute; a local one may not
    google_base_url: str
    google_credentials: str
    anthropic_api_key: str
    anthropic_base_url: str
    secret_key: str = field(default="", repr=False)  # seals people's accounts in the store; "": a file of the home
    google_delegate: bool = False  # a service account acts as each requester, by e-mail address
    budgets: dict[str, Decimal] = field(default_factory=dict)  # scope -> hard line in USD (run, else a month)
    budget_approvers: tuple[str, ...] = ()  # who may raise a limit that belongs to a channel or to all
    price_as: str = ""  # the model that offline runs are priced as
    plan_ask: int = 12  # a plan of more tasks is shown for approval first; 0: never
    web_allow: tuple[str, ...] = ()  # hosts that agents may fetch from without the request naming the page
    dm_after: float = 5.0  # minutes after which the requester is told by direct message how work goes; 0: never
    plan_ask_cost: Decimal = Decimal(10)  # and one that will likely cost more US dollars; 0: never


def load() -> Settings:
    """Read the environment, then CADRE_HOME/cadre.env for what it leaves open.

    Raises OperatorMustFix naming the setting when a value cannot be used.
    """
    home = _home()
    env = _read(home / "cadre.env")
    servers = _mcp_servers(env, home)
    google, model_url, clock = env.google_base_url, env.anthropic_base_url, env.clock_url
    counts = True
    if _is_local(env.slack_api_url):
        told = _companions(env.slack_api_url)
        counts = bool(told.get("slack", {}).get("rate_limits", True))
        google = google or ("" if env.google_credentials else told.get("google", {}).get("base_url", ""))
        clock = clock or told.get("clock", {}).get("url", "")
        if not env.anthropic_api_key and env.model in ("auto", "offline"):
            model_url = model_url or told.get("model", {}).get("base_url", "")
        ledger = told.get("ledger", {}).get("url", "")
        if ledger and "ledger" not in servers:
            servers["ledger"] = {"url": ledger, "trusted": True}
    database = env.database_url or f"sqlite:///{home / 'cadre.db'}"
    engine = database if database.startswith("postgres") else f"sqlite:///{home / 'engine.db'}"
    return Settings(
        home=home,
        database_url=database,
        engine_url=engine,
        model=env.model,
        clock_url=clock,
        retry_budget=env.retry_budget,
        public_url=env.public_url.rstrip("/"),
        secret_key=env.secret_key,
        zone=env.zone,
        mcp_servers=servers,
        slack_api_url=env.slack_api_url,
        slack_bot_token=env.slack_bot_token,
        slack_app_token=env.slack_app_token,
        slack_signing_secret=env.slack_signing_secret,
        slack_counts=counts,
        google_base_url=google,
        google_credentials=env.google_credentials,
        google_delegate=env.google_delegate,
        anthropic_api_key=env.anthropic_api_key,
        anthropic_base_url=model_url,
        budgets={"run": env.budget_run, "channel": env.budget_channel, "org": env.budget_org},
        budget_approvers=tuple(env.budget_approvers.replace(",", " ").split()),
        price_as=env.price_as,
        web_allow=_hosts(env.web_allow),
        plan_ask=env.plan_ask,
        plan_ask_cost=env.plan_ask_cost,
        dm_after=env.dm_after,
    )


@dataclass(frozen=True)
class Described:
    """One setting as it is in force: its value masked where it is a secret, and where it comes from."""

    name: str
    value: str
    source: str  # environment | file | default


def described() -> list[Described]:
    """Every setting by its name. Raises OperatorMustFix when one cannot be read."""
    file = _home() / "cadre.env"
    env = _read(file)
    in_file = {name for name, value in dotenv_values(file).items() if value} if file.exists() else set()
    rows = []
    for key, about in _Environment.model_fields.items():
        name, value = str(about.validation_alias), getattr(env, key)
        source = "environment" if os.environ.get(name) else "file" if name in in_file else "default"
        secret = any(word in name for word in SECRETS) and value
        rows.append(Described(name, "***" if secret else str(value), source))
    return rows


def _home() -> Path:
    return Path(os.environ.get("CADRE_HOME") or Path.home() / ".cadre")


def _read(file: Path) -> _Environment:
    try:
        return _Environment(_env_file=file)  # type: ignore[call-arg]
    except ValueError as error:
        raise OperatorMustFix(f"A setting cannot be read: {error}") from error


def _hosts(text: str) -> tuple[str, ...]:
    """Hosts, each alone or with `*.` before it. Raises OperatorMustFix for one that is none."""
    hosts = tuple(text.lower().replace(",", " ").split())
    for host in hosts:
        if not re.fullmatch(r"(?:\*\.)?(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]+", host):
            raise OperatorMustFix(f"CADRE_WEB_ALLOW: {host} is no host such as example.org or *.example.org.")
    return hosts


def _is_local(url: str) -> bool:
    return bool(url) and urlparse(url).hostname in LOCAL_HOSTS


def _companions(slack_api_url: str) -> dict[str, Any]:
    """The stand-ins introduce each other: pointing at one of them is enough."""
    parsed = urlparse(slack_api_url)
    url = f"{parsed.scheme}://{parsed.netloc}/_local/services"
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            told: dict[str, Any] = json.load(reply)
            return told
    except (OSError, ValueError):
        return {}  # some other local Slack


def _mcp_servers(env: _Environment, home: Path) -> dict[str, Any]:
    text = env.mcp_servers
    source = "CADRE_MCP_SERVERS"
    if not text and (home / "mcp.json").exists():
        text, source = (home / "mcp.json").read_text(), str(home / "mcp.json")
    if not text:
        return {}
    try:
        loaded = json.loads(text)
        servers: dict[str, Any] = dict(loaded.get("mcpServers", loaded))
    except (ValueError, AttributeError) as error:
        raise OperatorMustFix(f"{source} is not a JSON object of MCP servers: {error}") from error
    return servers
