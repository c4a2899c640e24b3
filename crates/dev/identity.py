"""An account's life by e-mail, step by step, against a real mail server: log-in, STARTTLS and a certificate of an authority of its own.

Usage, with the variables of `trigrun-embed exec`: identity.py DIRECTORY. The directory holds the binaries. Prints each step, and stops at the
first that is not as docs/people.md says.
"""

from __future__ import annotations

import email
import logging
import pathlib
import re
import socket
import ssl
import tempfile
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from steps import TIMEOUT, Api, command, done, expect, free_port, prepared, running, step, until

PUBLIC_URL = "https://trigrun.example.com"
PASSWORD, ANOTHER = "correct horse battery", "battery horse correct"
SMTP_PASSWORD = "p-4f9c"


class Mails:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, str]] = []

    async def handle_DATA(self, _server: object, session: Any, envelope: Any) -> str:
        expect(session.ssl and session.authenticated, "a message without TLS or log-in")
        message = email.message_from_bytes(envelope.content)
        text = message.get_payload(decode=True).decode().replace("\r\n", "\n")
        self.kept += [(to, message["Subject"], text) for to in envelope.rcpt_tos]
        return "250 kept"

    def to(self, address: str) -> list[tuple[str, str]]:
        return [(subject, text) for to, subject, text in self.kept if to == address]

    def next_to(self, address: str, count: int) -> tuple[str, str]:
        """The last message to the address, once there are so many."""
        until(f"e-mail {count} to {address}", lambda: len(self.to(address)) >= count)
        return self.to(address)[-1]


def secret_of(text: str) -> str:
    found = re.findall(r"^trv_\w+$", text, re.MULTILINE)
    expect(len(found) == 1, f"one secret in {text}")
    return found[0]


class MailServer:
    def __init__(self, mails: Mails, certificate: trustme.LeafCert) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.settings = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": self.authenticate}
        self.mails, self.port = mails, free_port()
        self.start()

    @staticmethod
    def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, given: Any) -> AuthResult:
        right = LoginPassword(b"trigrun", SMTP_PASSWORD.encode())
        return AuthResult(success=isinstance(given, LoginPassword) and given == right)

    def start(self) -> None:
        self.controller = Controller(self.mails, hostname="127.0.0.1", port=self.port, **self.settings)
        self.controller.start()

    def stop(self) -> None:
        self.controller.stop()


def sign_up(api: Api, mails: Mails) -> str:
    instance = api.expect(200, "GET", "/v1/instance")
    expect(instance["mail"] and instance["sign_up"] == "open", instance)
    account = {"email": "ada@example.com", "password": PASSWORD, "workspace_name": "billing"}
    api.refused("required", "POST", "/v1/auth/signup", account)
    step("a sign-up without a verification is refused")
    api.verify("ada@example.com", "sign_up")
    subject, text = mails.next_to("ada@example.com", 1)
    secret = secret_of(text)
    expect(f"{PUBLIC_URL}/signup#{secret}" in text, text)
    step(f"an e-mail with a link arrives over TLS: {subject}")
    api.refused("verification_unknown", "POST", "/v1/auth/signup", account | {"email": "eve@example.com", "verification": secret})
    step("it is good for this address only")
    session = api.expect(201, "POST", "/v1/auth/signup", account | {"verification": secret})["token"]
    step("it signs the user up, and logs in")
    api.refused("verification_unknown", "POST", "/v1/auth/signup", account | {"verification": secret})
    step("it is good once")
    return session


def known_address(api: Api, mails: Mails) -> None:
    answers = [api.verify(address, "sign_up") for address in ("ada@example.com", "free@example.com")]
    same = [{**answer, "email": None, "expires_at": None} for answer in answers]
    expect(same[0] == same[1], answers)
    subject, text = mails.next_to("ada@example.com", 2)
    expect("already has an account" in text and "trv_" not in text, text)
    step(f"who signs up with a known address gets the same response; its owner is told: {subject}")


def forgotten(api: Api, mails: Mails, session: str) -> str:
    api.verify("unknown@example.com", "password_reset")
    api.verify("ada@example.com", "password_reset")
    subject, text = mails.next_to("ada@example.com", 3)
    secret = secret_of(text)
    expect(f"{PUBLIC_URL}/reset#{secret}" in text and not mails.to("unknown@example.com"), text)
    step(f"a link to replace the password arrives, and none at an address without an account: {subject}")
    api.refused("password_length", "POST", "/v1/auth/password", {"verification": secret, "password": "short"})
    api.expect(204, "POST", "/v1/auth/password", {"verification": secret, "password": ANOTHER})
    api.refused("verification_unknown", "POST", "/v1/auth/password", {"verification": secret, "password": ANOTHER})
    step("it replaces the password, once")
    api.expect(401, "GET", "/v1/me", None, session)
    api.expect(401, "POST", "/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD})
    session = api.expect(200, "POST", "/v1/auth/login", {"email": "ada@example.com", "password": ANOTHER})["token"]
    step("all sessions have ended, and only the new password logs in")
    subject, _ = mails.next_to("ada@example.com", 4)
    entries = api.expect(200, "GET", "/v1/audit-log?action=user.password_changed", None, session)["data"]
    expect(entries[0]["details"] == {"by": "verification"}, entries)
    step(f"an e-mail and the audit log say so: {subject}")
    return session


def changed(api: Api, mails: Mails, session: str) -> None:
    api.verify("ada@example.com", "password_reset")
    secret = secret_of(mails.next_to("ada@example.com", 5)[1])
    api.expect(204, "POST", "/v1/me/password", {"current": ANOTHER, "new": PASSWORD}, session)
    mails.next_to("ada@example.com", 6)
    api.refused("verification_unknown", "POST", "/v1/auth/password", {"verification": secret, "password": ANOTHER})
    step("a change of the password ends links that were sent before it")


def moved(api: Api, mails: Mails, session: str) -> None:
    change = {"email": "countess@example.com", "password": PASSWORD}
    api.expect(401, "POST", "/v1/me/email", {**change, "password": ANOTHER}, session)
    api.expect(202, "POST", "/v1/me/email", change, session)
    subject, text = mails.next_to("countess@example.com", 1)
    secret = secret_of(text)
    expect(f"{PUBLIC_URL}/email#{secret}" in text, text)
    step(f"a link arrives at another address: {subject}")
    user = api.expect(200, "POST", "/v1/auth/email", {"verification": secret})
    expect(user["email"] == "countess@example.com", user)
    subject, text = mails.next_to("ada@example.com", 7)
    expect("countess@example.com" in text and "trv_" not in text, text)
    step(f"it gives the account this address, and the previous one is told: {subject}")
    api.expect(202, "POST", "/v1/me/email", {"email": "ada@example.com", "password": PASSWORD}, session)
    api.expect(200, "POST", "/v1/auth/email", {"verification": secret_of(mails.next_to("ada@example.com", 8)[1])})
    api.expect(200, "POST", "/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD})
    step("and back")


def invited(api: Api, mails: Mails, session: str) -> None:
    invited = api.expect(201, "POST", "/v1/members", {"email": "bob@example.com", "role": "admin"}, session)
    expect("invitation" not in invited, invited)
    subject, text = mails.next_to("bob@example.com", 1)
    link = re.search(re.escape(f"{PUBLIC_URL}/accept#") + r"(tri_\w+)$", text, re.MULTILINE)
    expect(link and "ada@example.com invites you" in text, text)
    account = {"email": "bob@example.com", "password": PASSWORD, "invitation": link[1]}
    api.expect(201, "POST", "/v1/auth/signup", account)
    step(f"an invitation is sent to its address, and not shown to the inviting user: {subject}")


def mail_server_away(api: Api, mails: Mails, server: MailServer) -> None:
    server.stop()
    # In its place, one that disconnects.
    with socket.create_server(("127.0.0.1", server.port)) as listener:
        listener.settimeout(TIMEOUT)
        api.verify("grace@example.com", "sign_up")
        listener.accept()[0].close()
    server.start()
    secret = secret_of(mails.next_to("grace@example.com", 1)[1])
    api.expect(201, "POST", "/v1/auth/signup", {"email": "grace@example.com", "password": PASSWORD, "verification": secret})
    step("an e-mail arrives although the mail server was away")


def main() -> None:
    # The mail server's library warns of itself.
    logging.disable(logging.WARNING)
    authority, mails = trustme.CA(), Mails()
    with tempfile.TemporaryDirectory() as directory:
        bundle = pathlib.Path(directory, "authority.pem")
        authority.cert_pem.write_to_path(bundle)
        server = MailServer(mails, authority.issue_cert("localhost"))
        settings = prepared({
            "SSL_CERT_FILE": str(bundle),
            "TRIGRUN__SERVER__SIGN_UP": "open",
            "TRIGRUN__SERVER__PUBLIC_URL": PUBLIC_URL,
            "TRIGRUN__SMTP__URL": f"smtp://trigrun:{SMTP_PASSWORD}@localhost:{server.port}?tls=required",
            "TRIGRUN__SMTP__FROM": "TrigRun <noreply@example.com>",
        })
        # Other checks may fail: no scheduler and no executor runs.
        doctor = command(settings, "doctor", fails=True)
        expect("ok     mail         accepts connections" in doctor, doctor)
        expect(SMTP_PASSWORD not in doctor, "doctor prints the password of the mail server")
        step("trigrun-api doctor logs in to the mail server")
        with running(settings) as api:
            session = sign_up(api, mails)
            known_address(api, mails)
            session = forgotten(api, mails, session)
            changed(api, mails, session)
            moved(api, mails, session)
            invited(api, mails, session)
            mail_server_away(api, mails, server)
        server.stop()
    done()


main()
