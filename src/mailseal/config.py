"""What the operator may set: one frozen `Config`, from a TOML file and the environment.

Rule: every key has its sentence here and nowhere else; an unknown key is an error with a suggestion; the
environment wins over the file. Nothing is read here but what is passed in, save by `load_config`.
References: docs/config.md, which is made from this module.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

PREFIX = "MAILSEAL_"
PLACES = ("./mailseal.toml", "/etc/mailseal/mailseal.toml")
"""Where a configuration is looked for when neither --config nor MAILSEAL_CONFIG names one."""


class SetupError(Exception):
    """Wrong usage or set-up: what is the matter, why, and what to do; exit code 2."""

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.do = do


def _key(default: object, sentence: str) -> Any:
    """A field with its sentence for docs/config.md and the file that `mailseal init` writes."""
    return field(default=default, metadata={"sentence": sentence})


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """What is remembered, and with what it is sealed."""

    database: str = _key(
        "sqlite:/var/lib/mailseal/mailseal.db",
        "sqlite: and the path of a file, for one process; or postgresql://user@host/name, for many",
    )
    folder: str = _key("/var/lib/mailseal", "with PostgreSQL: where this machine keeps its control socket")
    master_key: str = _key(
        "file:/etc/mailseal/master.key",
        "what seals the private keys: file:/path, credential:NAME, command:/program, env:NAME, aws-kms:KEY, "
        "vault:URL#KEY",
    )


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """Our zone and the name server that answers for it."""

    hosted_zone: str = _key("", "customers' CNAMEs end here; 37 characters at most; has no default")
    region_zones: tuple[str, ...] = _key(
        (), "other hosted zones for single regions: a region, a blank, a zone; none: one zone for all"
    )
    name_servers: tuple[str, ...] = _key((), "names of the zone's name servers, as its NS records say")
    addresses: tuple[str, ...] = _key(
        (), "addresses of those name servers that lie inside the zone: a name, a blank, an address"
    )
    listen: tuple[str, ...] = _key(
        ("127.0.0.1:5353",), "addresses to answer on, UDP and TCP; port 53 towards the Internet"
    )
    secondaries: tuple[str, ...] = _key(
        (), "servers that take our zones from here: address or address:port, a blank, the name of a TSIG key"
    )
    tsig_keys: tuple[str, ...] = _key(
        (), "a name, hmac-sha256 or hmac-sha512, and the secret in base64 or file:/path, blanks between"
    )
    rate_limit: int = _key(
        200,
        "answers a second and kind to one network (/24, /56) over UDP; 0: no bound; this machine has none",
    )
    notify: bool = _key(True, "tell the secondaries of each change; false: they look for themselves")
    also_confirm: tuple[str, ...] = _key(
        (), "servers behind a secondary (address or address:port) that have to show a change too"
    )
    key_ttl: int = _key(1800, "seconds for which a key record may be kept by resolvers")
    blank_ttl: int = _key(60, "seconds for which a blank slot's answer may be kept by resolvers")


@dataclass(frozen=True, slots=True)
class ResolverConfig:
    """Whom we ask about customers' domains."""

    vantages: tuple[str, ...] = _key(
        ("udp://127.0.0.1:53",),
        "validating resolvers of your own; only they can prove a record: udp://address:port, "
        "tls://address:port#name, https://address/path#name",
    )
    remote_vantages: tuple[str, ...] = _key(
        (), "resolvers of others, written the same; they may keep a record from SUCCESS, and never prove it"
    )
    ca_file: str = _key("", "PEM file of the authorities that certify those resolvers; empty: the system's")
    roots: tuple[str, ...] = _key(
        (),
        "whence the domains' own servers are found: \"iana\" for the Internet's root servers, or a name, a "
        "blank, an address; empty: the vantages find them",
    )
    authorities: bool = _key(
        True, "ask the domains' own servers first; false where port 53 to the outside is blocked"
    )
    allow_networks: tuple[str, ...] = _key(
        (), "special-purpose networks in which a domain's servers may be asked all the same; for tests"
    )
    port: int = _key(53, "the port on which a domain's own servers are asked; for tests")


@dataclass(frozen=True, slots=True)
class VerificationConfig:
    """How long records are searched for, and how long their absence is borne."""

    search_hours: int = _key(72, "a search for records is given up after this long: FAILED")
    grace_hours: int = _key(72, "records gone after SUCCESS: signing goes on this long")
    auto_resume: bool = _key(False, "true: FAILED turns SUCCESS when the records appear")


@dataclass(frozen=True, slots=True)
class KeysConfig:
    """Keys made by us."""

    rotate_days: int = _key(180, "a key is followed by a new one so often; 0: only when asked")
    retain_days: int = _key(8, "a retired key stays published this long, and its TTL")
    ed25519: bool = _key(
        False, "true: an Ed25519 key signs beside the RSA key once its two CNAMEs are seen; for each identity"
    )
    publish_retired_after_days: int = _key(
        0, "private keys that Mailseal made are published so long after their records are blank; 0: never"
    )
    stock_2048: int = _key(200, "pairs of 2048 bits made ahead of need")
    stock_1024: int = _key(20, "pairs of 1024 bits made ahead of need")
    own_keys_per_second: int = _key(
        2, "own keys that an account may bring a second, ten times as many at once; 0: no limit"
    )
    refill_per_minute: int = _key(0, "pairs made a minute for the stock; 0: as fast as its process can")


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """The API, and the control socket of the command-line program."""

    listen: tuple[str, ...] = _key(
        ("127.0.0.1:8080",), "addresses of the API; without a certificate only loopback is taken"
    )
    certificate: str = _key("", "PEM file with the certificate chain of the API; empty: no TLS")
    certificate_key: str = _key("", "PEM file with the private key of that certificate")
    public_url: str = _key("", "URL at which people reach the API's links; empty: that of its first address")
    regions: tuple[str, ...] = _key(("us-east-1",), "regions that are served; the first is the default")
    control: str = _key("", "path of the control socket; empty: control.sock beside the database")
    metrics: str = _key(
        "",
        "address of this machine or of a private network on which /metrics, /healthz and /readyz are served; "
        "empty: nowhere",
    )


@dataclass(frozen=True, slots=True)
class NextHopConfig:
    """Where signed mail goes."""

    url: str = _key(
        "smtp://127.0.0.1:10025",
        "your mail server as smtp://, smtp+starttls:// or smtps:// and host:port, or maildir: and a path",
    )
    verify: bool = _key(True, "ask for a certificate that is valid for that host, where TLS is used")
    ca_file: str = _key("", "PEM file of the authorities that may have signed it; empty: the system's")
    credentials: str = _key(
        "", "its user's name and password, a line each, in file:/path or env:NAME; empty: no login"
    )
    connections: int = _key(32, "at most so many connections to it at once")


@dataclass(frozen=True, slots=True)
class SubmissionConfig:
    """Mail that comes in by SMTP; nothing listens until an address is named."""

    listen: tuple[str, ...] = _key((), "addresses on which TLS begins with STARTTLS; usually port 587")
    listen_tls: tuple[str, ...] = _key((), "addresses on which TLS begins at once; usually port 465")
    certificate: str = _key("", "PEM file with the certificate chain; empty: no TLS, and no passwords")
    certificate_key: str = _key("", "PEM file with the private key of that certificate")
    name: str = _key("", "the name in the greeting; empty: that of the first name server")
    plaintext_on_loopback: bool = _key(False, "true: passwords without TLS, from this machine only")
    connections: int = _key(500, "at most so many connections at once")
    connections_per_client: int = _key(50, "at most so many of them from one address")


@dataclass(frozen=True, slots=True)
class MailFromConfig:
    """What customers publish for a MAIL FROM domain of their own; both names are yours to publish."""

    mx_host: str = _key("", "the host that takes bounces; empty: feedback. and the hosted zone's parent")
    spf_include: str = _key(
        "", "the domain whose SPF record names your outgoing hosts; empty: spf. and the hosted zone's parent"
    )


@dataclass(frozen=True, slots=True)
class SendingConfig:
    """Mail that Mailseal itself sends."""

    verification_from: str = _key(
        "", "sender of the mails that prove an address; empty: no-reply@ and the hosted zone"
    )


@dataclass(frozen=True, slots=True)
class MilterConfig:
    """The socket by which your own mail server has its mail signed; docs/mta.md."""

    listen: tuple[str, ...] = _key(
        (),
        "127.0.0.1:8892 or unix:/path; where they are not those below, a blank, an account, a blank, a "
        "region; none: no milter",
    )
    account: str = _key("", "the account whose identities a socket signs for; empty: only logins sign")
    region: str = _key("", "the region of those identities; empty: the first of [api] regions")
    logins: tuple[str, ...] = _key(
        (),
        "a login of your mail server or *@domain, a blank, an account, and maybe a blank and a region; where "
        "there are some, no other login signs",
    )
    sign_networks: tuple[str, ...] = _key(
        ("127.0.0.0/8", "::1"), "clients of your mail server whose mail is signed without a login"
    )
    mta_networks: tuple[str, ...] = _key(
        ("127.0.0.0/8", "::1"), "where your mail servers are: nobody else may connect to the milter over TCP"
    )
    socket_group: str = _key(
        "", "the group that may use a unix socket, as postfix; empty: only the user that runs Mailseal"
    )


@dataclass(frozen=True, slots=True)
class SigningConfig:
    """What a signature covers, for how long, and who else signs."""

    headers: tuple[str, ...] = _key((), "names of fields that are signed besides the usual ones, as X-Mailer")
    oversign: tuple[str, ...] = _key(
        (),
        "names among those that nobody may add later, From always; none: From, To, Cc, Subject, Date, "
        "Reply-To, MIME-Version, Content-Type, Message-ID",
    )
    lifetime_days: int = _key(8, "a signature is good for so many days, its x=; 0: for ever")
    batch: bool = _key(
        True, "up to eight messages signed at once where mailseal[batch] and the processor can; false: never"
    )
    operator_domain: str = _key(
        "", "a domain of your own account that signs every message too, once it is proven; empty: none"
    )


@dataclass(frozen=True, slots=True)
class SesConfig:
    """Where SES itself is reproduced although we do better."""

    strict_ses_signing_gap: bool = _key(False, "true: as SES, unsigned while a new setting is PENDING")
    strict_ses_duplicate_signatures: bool = _key(
        False, "true: as SES, refuses a raw message with two DKIM-Signature fields"
    )
    lenient_private_key: bool = _key(False, "true: as SES, takes any key unread")
    same_length_is_noop: bool = _key(False, "true: repeating the key length is no error")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, by section."""

    store: StoreConfig = field(default_factory=StoreConfig)
    dns: DnsConfig = field(default_factory=DnsConfig)
    resolver: ResolverConfig = field(default_factory=ResolverConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)
    keys: KeysConfig = field(default_factory=KeysConfig)
    api: ApiConfig = field(default_factory=ApiConfig)
    nexthop: NextHopConfig = field(default_factory=NextHopConfig)
    submission: SubmissionConfig = field(default_factory=SubmissionConfig)
    mail_from: MailFromConfig = field(default_factory=MailFromConfig)
    sending: SendingConfig = field(default_factory=SendingConfig)
    milter: MilterConfig = field(default_factory=MilterConfig)
    signing: SigningConfig = field(default_factory=SigningConfig)
    ses: SesConfig = field(default_factory=SesConfig)


def _sections() -> dict[str, Any]:
    """The class of each section by its name."""
    return dict(get_type_hints(Config))


def _keys(section: Any) -> dict[str, tuple[Field[Any], Any]]:
    """The keys of a section: field and type by name."""
    hints = get_type_hints(section)
    return {one.name: (one, hints[one.name]) for one in fields(section)}


def parse_config(text: str, environment: Mapping[str, str], *, where: str) -> Config:
    """The configuration of a TOML text and the environment; raises SetupError naming `where`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise SetupError(f"{where} is not TOML: {fault}", do="correct that line") from None
    sections = _sections()
    values = {name: _section_values(document, name, sections, where) for name in document}
    for name, one in sections.items():
        values.setdefault(name, {}).update(_from_environment(name, one, environment))
    config = Config(**{name: one(**values[name]) for name, one in sections.items()})
    if not config.dns.hosted_zone:
        raise SetupError(
            f"{where} names no hosted zone",
            "customers' CNAMEs have to end somewhere, and that name cannot be guessed",
            '[dns] hosted_zone = "dkim.example.net", a name that you delegate to this machine',
        )
    return config


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """The configuration in a file and the environment; raises SetupError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8"
        raise SetupError(f"{path} cannot be read: {reason}", do="mailseal init writes one") from None
    return parse_config(text, environment, where=str(path))


def find_config(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """The file to read: the one that was named, MAILSEAL_CONFIG, or the first of `PLACES` that exists."""
    chosen = named or environment.get(PREFIX + "CONFIG")
    if chosen:
        return Path(chosen)
    return next((Path(place) for place in PLACES if Path(place).is_file()), None)


_FORMS: dict[Any, str] = {bool: "true or false", int: "a whole number from 0", str: "a text in quotes"}
_A_LIST = 'a list of texts, as in ["a", "b"]'


def _section_values(
    document: Mapping[str, Any], name: str, sections: Mapping[str, Any], where: str
) -> dict[str, Any]:
    if name not in sections:
        what = f"{where} has a section [{name}], which does not exist"
        raise SetupError(what, do=_suggestion(name, sections, "[{}]"))
    given = document[name]
    if not isinstance(given, dict):
        raise SetupError(f"{where}: {name} is a section, not a value", do=f"write [{name}] above its keys")
    known = _keys(sections[name])
    values = {}
    for key, value in given.items():
        if key not in known:
            what = f"{where} has an unknown key: [{name}] {key}"
            raise SetupError(what, do=_suggestion(key, known, f"[{name}] {{}}"))
        values[key] = _typed(value, known[key][1], f"{where}: [{name}] {key}")
    return values


def _suggestion(wrong: str, known: Mapping[str, Any], form: str) -> str:
    near = difflib.get_close_matches(wrong, known, n=1)
    if near:
        return f"did you mean {form.format(near[0])}? All keys: docs/config.md"
    return f"known here: {', '.join(known)}"


def _typed(value: Any, wanted: Any, what: str) -> Any:
    """The value in its type; raises SetupError for one of another type."""
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is int and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if wanted is str and isinstance(value, str):
        return value
    if wanted == tuple[str, ...] and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise SetupError(f"{what} is not {_FORMS.get(wanted, _A_LIST)}")


def _from_environment(name: str, section: Any, environment: Mapping[str, str]) -> dict[str, Any]:
    known = _keys(section)
    prefix = f"{PREFIX}{name.upper()}_"
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(prefix):
            continue
        key = variable.removeprefix(prefix).lower()
        if key not in known:
            what = f"the environment has an unknown key: {variable}"
            raise SetupError(what, do=_suggestion(key, known, f"[{name}] {{}}"))
        values[key] = _parse_text(text, known[key][1], variable)
    return values


def _parse_text(text: str, wanted: Any, variable: str) -> Any:
    if wanted is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if wanted is int and text.isascii() and text.isdigit():
        return int(text)
    if wanted == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return _typed(text, wanted, variable)


_ALIGNED, _LONGEST_LINE = 44, 110


def format_config(config: Config, *, title: str) -> str:
    """The configuration as a TOML text with every line explained; `parse_config` reads it back."""
    lines = [
        f"# {title}. All keys: docs/config.md",
        "# The environment wins over this file: [dns] listen is MAILSEAL_DNS_LISTEN.",
    ]
    for name, section in _sections().items():
        lines += ["", f"[{name}]"]
        values = getattr(config, name)
        shown = [(one, f"{key} = {_toml(getattr(values, key))}") for key, (one, _) in _keys(section).items()]
        width = max((len(text) for _, text in shown if len(text) <= _ALIGNED), default=0)
        for one, text in shown:
            sentence = one.metadata["sentence"]
            line = f"{text:{width}}  # {sentence}"
            lines += [line] if len(line) <= _LONGEST_LINE else [f"# {sentence}", text]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    # JSON's strings, numbers and truth values are TOML's, if DEL is escaped too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def format_reference() -> str:
    """docs/config.md: every key with its default and its sentence."""
    lines = [
        "# Configuration",
        "",
        "Made from `src/mailseal/config.py`; a test fails when it is stale. The file is found by `--config`,",
        f"`MAILSEAL_CONFIG`, {', '.join(f'`{place}`' for place in PLACES)}, in this order.",
        "The environment wins over it: `[dns] listen` is `MAILSEAL_DNS_LISTEN`, a list with commas between",
        "its parts. An unknown key is an error.",
    ]
    for name, section in _sections().items():
        lines += ["", f"## [{name}]", "", section.__doc__, "", "| key | default | meaning |", "|---|---|---|"]
        for key, (one, _) in _keys(section).items():
            lines.append(f"| `{key}` | `{_toml(one.default)}` | {one.metadata['sentence']} |")
    return "\n".join(lines) + "\n"


def database_path(config: Config) -> Path:
    """The file of the SQLite database; raises SetupError for any other kind of database."""
    scheme, _, path = config.store.database.partition(":")
    if scheme != "sqlite" or not path:
        raise SetupError(
            f"{scheme}: is not a database that can be used here",
            "a file was expected, sqlite: and its path, or elsewhere postgresql://",
            '[store] database = "sqlite:/var/lib/mailseal/mailseal.db"',
        )
    return Path(path)


def postgresql_url(config: Config) -> str | None:
    """The URL of the PostgreSQL database; None where another kind is configured."""
    is_url = config.store.database.startswith(("postgresql://", "postgres://"))
    return config.store.database if is_url else None


def data_folder(config: Config) -> Path:
    """Where a process keeps what it needs beside its database; raises SetupError."""
    if postgresql_url(config) is not None:
        return Path(config.store.folder)
    return database_path(config).absolute().parent


_LONGEST_SOCKET_PATH = 100


def control_path(config: Config) -> Path:
    """Where the control socket is; a path too long for a socket gives way to a short one (unix(7))."""
    if config.api.control:
        return Path(config.api.control)
    beside = data_folder(config) / "control.sock"
    if len(str(beside)) <= _LONGEST_SOCKET_PATH:
        return beside
    name = hashlib.sha256(str(beside).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mailseal-{name}" / "control.sock"
