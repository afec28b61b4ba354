"""A certificate authority and a signer of Content Credentials, made for a test; signs real files with c2pa."""

from __future__ import annotations

import datetime
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CAPTURED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@dataclass(frozen=True)
class Signatory:
    """`anchors`: the authority's certificate, PEM; `chain`: signer's and authority's, PEM; `key`: the signer's, PEM."""

    anchors: bytes
    chain: bytes
    key: bytes


def signatory(name: str = "Daily Test", ocsp: str | None = None) -> Signatory:
    """`ocsp`: the address at which the certificate says that its revocation may be asked for."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("Test Authority", "Test Authority", authority_key, authority_key, None)
    leaf = _certificate(name, "Test Authority", key, authority_key, ocsp)
    return Signatory(
        _pem(authority),
        _pem(leaf) + _pem(authority),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def sign(
    source: Path,
    target: Path,
    kind: str,
    who: Signatory,
    *,
    source_type: str = CAPTURED,
    steps: tuple[str, ...] = (),
    remote: str | None = None,
    **manifest: Any,
) -> Path:
    """Write `source` (of media type `kind`) with a signed record; with `remote`, only that address instead of the record."""
    actions = [{"action": "c2pa.created", "digitalSourceType": source_type}, *({"action": step} for step in steps)]
    claim = {
        "claim_generator_info": [{"name": "Test Camera", "version": "1.0"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}}],
        **manifest,
    }
    info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=who.chain, private_key=who.key, ta_url=None)
    written = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(claim) as builder, source.open("rb") as file:
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        builder.sign(signer, kind, file, written)
    target.write_bytes(written.getvalue())
    return target


def _certificate(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey, signing: ec.EllipticCurvePrivateKey, ocsp: str | None
) -> x509.Certificate:
    now, root = datetime.datetime.now(datetime.UTC), name == issuer
    usage = {
        "digital_signature": not root,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": root,
        "crl_sign": root,
        "encipher_only": False,
        "decipher_only": False,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if not root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    if ocsp:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder.sign(signing, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{name} Ltd"),
        ]
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
