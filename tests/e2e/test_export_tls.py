# SPDX-License-Identifier: Apache-2.0
"""The exporter over TLS: whom it trusts, and how it shows itself."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from lib.receiver import Receiver


@dataclass
class Signed:
    """A certificate and its key."""

    certificate: Path
    key: Path


@dataclass
class Authority(Signed):
    folder: Path

    def sign(self, name, extension):
        """A certificate that this authority vouches for."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request = subprocess.run(
            ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", f"/CN={name}", "-keyout", key],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
        extensions = self.folder / f"{name}.extensions"
        extensions.write_text(extension)
        subprocess.run(
            ["openssl", "x509", "-req", "-CA", self.certificate, "-CAkey", self.key,
             "-set_serial", "7", "-days", "2", "-extfile", extensions, "-out", certificate],
            check=True, capture_output=True, input=request,
        )  # fmt: skip
        return Signed(certificate, key)


def make_authority(folder, name):
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return Authority(certificate, key, folder)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def server(authority):
    return authority.sign("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")


def tls(server, clients=None):
    return server.certificate, server.key, clients


def fails(exporter):
    """Spans that do not arrive, and why the exporter says they do not."""
    exporter.tell("requests 1")
    books = exporter.wait_for(lambda books: books["dropped"]["unreachable"] == 3)
    assert books["exported"] == 0
    return books["news"]


def test_right_certificate(export, authority, server):
    with (
        Receiver(tls=tls(server)) as receiver,
        export(receiver, certificate=str(authority.certificate)) as exporter,
    ):
        for total in range(3, 30, 3):
            exporter.tell("requests 1")
            exporter.wait_for(lambda books, total=total: books["exported"] == total)
        assert receiver.count() == 27 and len({post.client for post in receiver.got()}) == 1


def test_by_name(export, authority, server):
    with Receiver(tls=tls(server)) as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        with export(url, certificate=str(authority.certificate)) as exporter:
            exporter.tell("requests 1")
            exporter.wait_for(lambda books: books["exported"] == 3)


def test_unknown_authority(export, server):
    """Without a certificate of its own the system's authorities count: they do not know ours."""
    with Receiver(tls=tls(server)) as receiver, export(receiver, retry=0) as exporter:
        assert "certificate" in fails(exporter)
        assert not receiver.got()


def test_wrong_authority(export, tmp_path, server):
    other = make_authority(tmp_path, "other")
    with (
        Receiver(tls=tls(server)) as receiver,
        export(receiver, retry=0, certificate=str(other.certificate)) as exporter,
    ):
        assert "certificate" in fails(exporter)
        assert not receiver.got()


def test_wrong_name(export, authority):
    other = authority.sign("elsewhere", "subjectAltName=DNS:elsewhere.example")
    with (
        Receiver(tls=tls(other)) as receiver,
        export(receiver, retry=0, certificate=str(authority.certificate)) as exporter,
    ):
        assert "127.0.0.1" in fails(exporter)
        assert not receiver.got()


def test_no_tls_there(export, authority):
    with Receiver() as receiver:
        url = receiver.url.replace("http:", "https:")
        with export(url, retry=0, certificate=str(authority.certificate)) as exporter:
            assert fails(exporter)
            assert not receiver.got()


def test_client_certificate(export, authority, server):
    client = authority.sign("client", "extendedKeyUsage=clientAuth")
    trust = {"certificate": str(authority.certificate), "retry": 0}
    shown = {"client_certificate": str(client.certificate), "client_key": str(client.key)}
    with Receiver(tls=tls(server, authority.certificate)) as receiver:
        with export(receiver, **trust, **shown) as exporter:
            exporter.tell("requests 1")
            exporter.wait_for(lambda books: books["exported"] == 3)
        with export(receiver, **trust) as exporter:
            assert fails(exporter)
        assert receiver.count() == 3
