//! A certificate authority for tests, and what it issues: valid certificates, and one of each kind that a client must refuse.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DnType, Error,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
    SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The names for which the certificates of [`Certificate`] are, or nearly are.
pub const NAMES: [&str; 4] = ["target.test", "ab.target.test", "ab.cd.target.test", "xn--bcher-kva.test"];

/// Where a certificate of [`Certificate::Revoked`] says that its revocation is published.
pub const REVOCATION_LIST: &str = "http://93.184.216.34/revoked.crl";

macro_rules! certificates {
    ($($(#[doc = $about:literal])+ $name:ident $words:expr;)*) => {
        /// The server's certificate, and the chain that comes with it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Certificate { $($(#[doc = $about])+ $name),* }

        impl Certificate {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Words in which a user must be told why it is refused; `None` if it is to be accepted.
            pub const fn refusal(self) -> Option<&'static str> {
                match self { $(Self::$name => $words),* }
            }
        }
    };
}

certificates! {
    /// Signed by the authority, for the server's address and `target.test`.
    Valid None;
    /// With an intermediate certificate, which comes with it.
    ValidChain None;
    /// With two of them, in the wrong order, and one that does not belong to the chain.
    UnorderedChain None;
    /// For `*.target.test`, called as `ab.target.test`.
    Wildcard None;
    /// For `bücher.test`, in the form that DNS uses (RFC 5891).
    InternationalName None;
    /// Its authority says where it publishes that it has revoked it. TrigRun does not look for revocations.
    Revoked None;
    /// Its issuer is an authority whose key may not sign certificates, which webpki does not check.
    IssuerMayNotSign None;
    /// Valid until 2021-01-01.
    Expired Some("The server's certificate expired on 2021-01-01");
    /// Valid from 2100 on.
    NotYetValid Some("The server's certificate is not valid before 2100-01-01");
    /// Its intermediate was valid until 2021-01-01.
    ExpiredIntermediate Some("A certificate that issued the server's expired on 2021-01-01");
    /// For `other.test`.
    WrongName Some("it is for other.test.");
    /// For another IP address.
    WrongAddress Some("is for another name than");
    /// The server's IP address as a DNS name.
    AddressAsName Some("is for another name than");
    /// For `*.target.test`, called as `ab.cd.target.test`: a wildcard stands for one label (RFC 9525 §6.3).
    WildcardTooDeep Some("is for another name than");
    /// For `*.test`, called as `target.test`.
    WildcardTooWide Some("is for another name than");
    /// For `a*.target.test`, called as `ab.target.test`: a wildcard stands for a whole label (RFC 9525 §6.3).
    PartialWildcard Some("is for another name than");
    /// With `target.test` as its common name only (RFC 9525 §2).
    CommonNameOnly Some("is for another name than");
    /// With a list of names that is empty.
    NoNames Some("is for another name than");
    /// For a name of 30,000 bytes.
    LongName Some("is for another name than");
    /// For a name with control characters of terminals.
    ControlsInName Some("is for another name than");
    /// For `target.test`, followed by NUL and another name.
    NulInName Some("is for another name than");
    /// Signed by its own key and not by the authority.
    SelfSigned Some("The server's certificate is self-signed");
    /// Self-signed, and that of an authority, as `openssl req -x509` makes it.
    SelfSignedAuthority Some("The server's certificate is self-signed");
    /// Signed by an authority that the client does not know.
    UnknownIssuer Some("comes from an authority that is not trusted here");
    /// Signed by an intermediate that the server does not send.
    IntermediateMissing Some("does not send an intermediate certificate");
    /// Its issuer is not an authority.
    IssuerNotAuthority Some("was issued by a certificate that may not issue others");
    /// An authority above allows one less in the chain.
    ChainTooLong Some("was issued by a certificate that may not issue others");
    /// With twelve intermediates.
    EndlessChain Some("has too many intermediate certificates");
    /// Its issuer may issue certificates for `other.test` only.
    NameNotPermitted Some("has a name for which its authority may not issue certificates");
    /// For clients.
    WrongPurpose Some("is for another purpose: its extended key usage");
    /// That of an authority.
    Authority Some("is that of an authority and not of a server");
    /// Its signature is wrong.
    Forged Some("has a wrong signature");
    /// Signed with SHA-224, as far as it says.
    UnsafeSignature Some("is signed with an algorithm that is not safe or not supported");
    /// With an extension that clients must know, and do not.
    UnknownExtension Some("has a critical extension that is not supported");
    /// With the list of names twice.
    DuplicateExtension Some("cannot be read");
}

impl Certificate {
    /// The host of the URL by which the server at this address is called.
    pub fn host(self, address: IpAddr) -> String {
        match self {
            Self::Wildcard | Self::PartialWildcard => NAMES[1].to_owned(),
            Self::WildcardTooDeep => NAMES[2].to_owned(),
            Self::InternationalName => NAMES[3].to_owned(),
            Self::WrongAddress | Self::AddressAsName => address.to_string(),
            _ => NAMES[0].to_owned(),
        }
    }

    fn names(self, address: IpAddr) -> Result<Vec<SanType>, Error> {
        let name = |name: &str| -> Result<SanType, Error> { Ok(SanType::DnsName(name.try_into()?)) };
        match self {
            Self::WrongName => Ok(vec![name("other.test")?]),
            Self::WrongAddress => Ok(vec![SanType::IpAddress([192, 0, 2, 1].into())]),
            Self::AddressAsName => Ok(vec![name(&address.to_string())?]),
            Self::Wildcard | Self::WildcardTooDeep => Ok(vec![name("*.target.test")?]),
            Self::WildcardTooWide => Ok(vec![name("*.test")?]),
            Self::PartialWildcard => Ok(vec![name("a*.target.test")?]),
            Self::InternationalName => Ok(vec![name(NAMES[3])?]),
            Self::NulInName => Ok(vec![name("target.test\0.other.test")?]),
            Self::ControlsInName => Ok(vec![name("\u{1b}[2J\"\r\n.target.test")?]),
            Self::LongName => Ok(vec![name(&"a.".repeat(15_000))?]),
            // An extension is added instead.
            Self::NoNames | Self::CommonNameOnly => Ok(Vec::new()),
            _ => Ok(vec![SanType::IpAddress(address), name(NAMES[0])?]),
        }
    }

    fn params(self, address: IpAddr) -> Result<CertificateParams, Error> {
        let mut params = valid("");
        params.subject_alt_names = self.names(address)?;
        match self {
            Self::Expired => params.not_after = date_time_ymd(2021, 1, 1),
            Self::NotYetValid => {
                (params.not_before, params.not_after) =
                    (date_time_ymd(2100, 1, 1), date_time_ymd(2101, 1, 1));
            }
            Self::CommonNameOnly => params.distinguished_name.push(DnType::CommonName, NAMES[0]),
            Self::SelfSignedAuthority | Self::Authority => {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            Self::WrongPurpose => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            Self::Revoked => {
                params.crl_distribution_points =
                    vec![CrlDistributionPoint { uris: vec![REVOCATION_LIST.to_owned()] }];
            }
            Self::NoNames => params.custom_extensions = vec![names_extension(&[])],
            // A second list: `target.test` as a dNSName (RFC 5280 §4.2.1.6).
            Self::DuplicateExtension => {
                params.custom_extensions = vec![names_extension(b"\x82\x0btarget.test")];
            }
            Self::UnknownExtension => {
                let mut unknown =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
                unknown.set_criticality(true);
                params.custom_extensions = vec![unknown];
            }
            _ => {}
        }
        Ok(params)
    }

    /// From the one that the authority signs to the one that signs the server's.
    fn intermediates(self) -> Vec<CertificateParams> {
        let mut one = intermediate(1, IsCa::Ca(BasicConstraints::Unconstrained));
        match self {
            Self::ExpiredIntermediate => one.not_after = date_time_ymd(2021, 1, 1),
            Self::IssuerNotAuthority => one.is_ca = IsCa::ExplicitNoCa,
            Self::IssuerMayNotSign => one.key_usages = vec![KeyUsagePurpose::DigitalSignature],
            Self::NameNotPermitted => {
                let permitted_subtrees = vec![GeneralSubtree::DnsName("other.test".to_owned())];
                one.name_constraints =
                    Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
            }
            _ => {}
        }
        match self {
            Self::ValidChain
            | Self::IntermediateMissing
            | Self::ExpiredIntermediate
            | Self::IssuerNotAuthority
            | Self::IssuerMayNotSign
            | Self::NameNotPermitted => vec![one],
            Self::UnorderedChain => vec![one, intermediate(2, IsCa::Ca(BasicConstraints::Constrained(0)))],
            Self::ChainTooLong => {
                vec![intermediate(0, IsCa::Ca(BasicConstraints::Constrained(0))), one]
            }
            Self::EndlessChain => {
                (1..=12).map(|n| intermediate(n, IsCa::Ca(BasicConstraints::Unconstrained))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Valid at any time of a test, with this common name unless it is empty.
fn valid(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2100, 1, 1));
    params.distinguished_name = rcgen::DistinguishedName::new();
    if !name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = valid(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn intermediate(number: u8, is_ca: IsCa) -> CertificateParams {
    let mut params = authority(&format!("intermediate {number} of a test"));
    params.is_ca = is_ca;
    params
}

/// A subjectAltName with these names in DER.
fn names_extension(names: &[u8]) -> CustomExtension {
    let sequence = [&[0x30, u8::try_from(names.len()).unwrap_or(u8::MAX)], names].concat();
    CustomExtension::from_oid_content(&[2, 5, 29, 17], sequence)
}

/// The authority that clients of a test trust.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// What a server presents.
pub(super) struct Issued {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Authority {
    pub fn new() -> Result<Self, Error> {
        // With a unique name; otherwise certificates that it did not sign would look forged, not unknown.
        let (params, key) = (authority("authority of a test"), KeyPair::generate()?);
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// In DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// In PEM (RFC 7468).
    pub fn certificate_pem(&self) -> String {
        let der = STANDARD.encode(&self.certificate);
        format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
    }

    /// Its private key in PEM.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// For a server at this address.
    pub(super) fn issue(&self, certificate: Certificate, address: IpAddr) -> Result<Issued, Error> {
        let key = KeyPair::generate()?;
        let params = certificate.params(address)?;
        let mut chain = Vec::new();
        let mut nearest = match certificate {
            Certificate::UnknownIssuer => {
                Some(Issuer::new(authority("an unknown authority"), KeyPair::generate()?))
            }
            _ => None,
        };
        for params in certificate.intermediates() {
            let key = KeyPair::generate()?;
            chain.insert(0, params.signed_by(&key, nearest.as_ref().unwrap_or(&self.issuer))?.der().clone());
            nearest = Some(Issuer::new(params, key));
        }
        let own = match certificate {
            Certificate::SelfSigned | Certificate::SelfSignedAuthority => params.self_signed(&key)?,
            _ => params.signed_by(&key, nearest.as_ref().unwrap_or(&self.issuer))?,
        };
        let mut own = own.der().to_vec();
        match certificate {
            Certificate::IntermediateMissing => chain.clear(),
            Certificate::UnorderedChain => {
                chain.reverse();
                chain.insert(1, valid("of another chain").self_signed(&KeyPair::generate()?)?.der().clone());
            }
            Certificate::Forged => *own.last_mut().expect("a signature") ^= 1,
            Certificate::UnsafeSignature => replace_algorithm(&mut own),
            _ => {}
        }
        chain.insert(0, own.into());
        Ok(Issued { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() })
    }
}

/// ecdsa-with-SHA256 by ecdsa-with-SHA224 (RFC 5758 §3.2), in both places where a certificate names its algorithm.
fn replace_algorithm(der: &mut [u8]) {
    const SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let places: Vec<usize> =
        (0..der.len() - SHA256.len()).filter(|at| der[*at..].starts_with(&SHA256)).collect();
    for at in places {
        der[at + SHA256.len() - 1] = 0x01;
    }
}
