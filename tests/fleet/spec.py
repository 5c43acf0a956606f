"""What a fleet is: its name, its hosts and their addresses. Pure functions, no I/O."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import pathlib
import re
import typing as t

from tests.fleet.errors import FleetError

GROUP = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Host:
    """One host: its name in the inventory, its group, and its address in the fleet's network (empty until it has one)."""

    name: str
    group: str
    address: str = ""


def parse_hosts(text: str) -> tuple[Host, ...]:
    """The hosts that `app:3,db:1` asks for: app1, app2, app3, db1."""
    hosts: list[Host] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        group, _, count = part.partition(":")
        if not GROUP.fullmatch(group) or not count.isdecimal() or int(count) < 1:
            raise FleetError(f"Cannot read the hosts {part!r}; write GROUP:COUNT, for example app:3,db:1")
        if any(host.group == group for host in hosts):
            raise FleetError(f"The group {group} is named twice in {text!r}")
        hosts += [Host(f"{group}{number}", group) for number in range(1, int(count) + 1)]
    if not hosts:
        raise FleetError("No hosts asked for; write GROUP:COUNT, for example app:3,db:1")
    return tuple(hosts)


def fleet_name(directory: pathlib.Path) -> str:
    """The name that labels everything of the fleet kept in `directory`, the same for the same directory: `surefoot-demo-1a2b3c`."""
    path = directory.absolute()
    word = re.sub(r"[^a-z0-9]+", "-", path.name.lower()).strip("-")[:20] or "fleet"
    return f"surefoot-{word}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"


def give_addresses(wanted: t.Iterable[Host], taken: t.Iterable[str], subnet: str) -> tuple[Host, ...]:
    """The wanted hosts with the lowest free addresses of `subnet`, whose first address belongs to the controller."""
    network = ipaddress.ip_network(subnet)
    used = {ipaddress.ip_address(address) for address in taken} | {network[1]}
    free = (address for address in network.hosts() if address not in used)
    placed = []
    for host in wanted:
        address = next(free, None)
        if address is None:
            raise FleetError(f"The network {subnet} has no address left for {host.name}")
        placed.append(dataclasses.replace(host, address=str(address)))
    return tuple(placed)


def missing(wanted: t.Iterable[Host], present: t.Iterable[Host]) -> tuple[Host, ...]:
    """The wanted hosts that are not there yet."""
    names = {host.name for host in present}
    return tuple(host for host in wanted if host.name not in names)
