"""A webhook reaches the internet and nothing inside, whatever its name, its redirects and its name server say."""

import datetime
import ssl
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from control_plane.webhooks.errors import AddressRefused
from control_plane.webhooks.sending import Sender
from tests.support.receiver import receiving, status

NOW = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.UTC)


class Names:
    """A name server that says what it is told; the last answer of a name stays."""

    def __init__(self, **answers):
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    async def __call__(self, host, port):
        given = self.answers[host]
        return [ip_address(one) for one in (given.pop(0) if len(given) > 1 else given[0]).split()]


INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.0.8",
    "192.0.0.171",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:db8::1",
    "2001:2::1",
    "3fff::1",
    "64:ff9b:1::a00:1",
    "93.184.216.34 10.0.0.1",
]


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_stands_for_an_address_inside_is_refused(address):
    sender = Sender(resolver=Names(hooks_example=[address]))
    with pytest.raises(AddressRefused, match="inside a network"):
        await sender.check("https://hooks.example/x")
    answer = await sender.send("https://hooks.example/x", {}, "{}", at=NOW)
    assert (answer.taken, answer.status) == (False, None)


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/",
        "ftp://93.184.216.34/",
        "https:///x",
        "https://user:pw@93.184.216.34/",
        "https://93.184.216.34:0/",
        "https://93.184.216.34:99999/",
        "https://93.184.216.34/a b",
        "https://93.184.216.34/#x",
        "https://[::1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://localhost/",
        "//93.184.216.34/",
        "https://nobody.invalid/",
    ],
)
async def test_an_address_that_is_none_or_goes_inside_by_another_spelling_is_refused(url):
    with pytest.raises(AddressRefused):
        await Sender().check(url)


async def test_the_internet_is_allowed_by_https():
    await Sender().check("https://93.184.216.34/hooks?key=1")
    await Sender().check("https://[2606:2800:220:1:248:1893:25c8:1946]:8443/hooks")


async def test_a_name_that_is_changed_to_an_address_inside_gets_nothing():
    async with receiving() as inner:
        sender = Sender(resolver=Names(hooks_example=["93.184.216.34", "127.0.0.1"]))
        url = f"https://hooks.example:{inner.port}/"
        await sender.check(url)
        answer = await sender.send(url, {}, "{}", at=NOW)
    assert "inside a network" in answer.reason
    assert inner.connections == 0


async def test_a_redirect_to_an_address_inside_is_not_followed():
    async with receiving() as outer, receiving() as inner:
        outer.usual = status(307, location=f"http://127.0.0.1:{inner.port}/admin")
        answer = await Sender([ip_network("127.0.0.1/32")]).send(outer.url, {}, "{}", at=NOW)
    assert (answer.taken, answer.status, "redirects are not followed" in answer.reason) == (False, 307, True)
    assert (outer.connections, inner.connections) == (1, 0)


async def test_the_environment_cannot_send_it_elsewhere(monkeypatch):
    async with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        answer = await Sender([ip_network("127.0.0.1/32")]).send(receiver.url, {}, "{}", at=NOW)
    assert (answer.taken, proxy.connections) == (True, 0)


def certificate(folder, name):
    """A certificate for a name, and a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "pair.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=file)


async def test_the_connection_goes_to_the_checked_address_and_proves_the_name(tmp_path):
    server, trusting = certificate(tmp_path, "hooks.example")
    here = [ip_network("127.0.0.1/32")]
    names = Names(hooks_example=["127.0.0.1"], other_example=["127.0.0.1"])
    async with receiving(server) as receiver:
        sender = Sender(here, resolver=names, tls=trusting)
        taken = await sender.send(f"https://hooks.example:{receiver.port}/x", {"webhook-id": "msg_1"}, '{"a":1}', at=NOW)
        another = await sender.send(f"https://other.example:{receiver.port}/x", {}, "{}", at=NOW)
        untrusted = await Sender(here, resolver=names).send(f"https://hooks.example:{receiver.port}/x", {}, "{}", at=NOW)

    assert (taken.taken, another.taken, untrusted.taken) == (True, False, False)
    (got,) = receiver.received
    assert (got.headers["host"], got.headers["webhook-id"], got.body) == (f"hooks.example:{receiver.port}", "msg_1", b'{"a":1}')
