"""The systemd unit that `mailseal init` writes, shut off from all that Mailseal does not need.

Rule: one text for `init` and for deploy/systemd/mailseal.service; what is taken away is proven by running.
References: systemd.exec(5); docs/deploying.md.
"""

from __future__ import annotations

from pathlib import Path

_UNIT = """\
[Unit]
Description=Mailseal: DKIM identities, keys and signatures
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={program} serve --config {config}
ExecReload=/bin/kill -HUP $MAINPID
User={user}
Restart=on-failure
RestartPreventExitStatus=2
TimeoutStopSec=90

# Port 53 and 587 without root, and nothing else that root may.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=true
RestrictSUIDSGID=true

# Files: its own folder may be written, all else read at most.
ProtectSystem=strict
ProtectHome=true
ReadWritePaths={writable}
PrivateTmp=true
PrivateDevices=true
DevicePolicy=closed
UMask=0077

# Keys: no core file, no keyring of others.
LimitCORE=0
KeyringMode=private
RemoveIPC=true

# The kernel and other processes.
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectKernelLogs=true
ProtectControlGroups=true
ProtectHostname=true
PrivateMounts=true
ProtectProc=invisible
RestrictNamespaces=true
RestrictRealtime=true
LockPersonality=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @obsolete
# The doctor reads the kernel's clock; a milter's socket gets its group.
SystemCallFilter=adjtimex @chown

[Install]
WantedBy=multi-user.target
"""


def format_unit(program: str, config: Path, user: str, writable: Path) -> str:
    """The unit for a program, its configuration, its user, and the folder that it writes to."""
    return _UNIT.format(program=program, config=config, user=user, writable=writable)
