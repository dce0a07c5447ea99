//! The folder of a CA: where everything lies in it, and how it is read and written.
//!
//! `ca.pem`, `ca.key`, `crl.pem`; `nodes/REGION/NODE.pem` and `.key`; `vehicles/FLEET/VEHICLE.pem` and `.key`; a copy of every
//! certificate by its number in `issued`, so that a name can be revoked whose files are gone.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use waygate_gateway::tls::Identity;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::make::{Authority, Made, Revoked};
use crate::exit::Failure;

/// Of files that nobody else may read.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

pub struct Folder(PathBuf);

/// A certificate that was issued.
pub struct Issued {
    pub identity: Identity,
    pub hosts: Vec<String>,
    pub serial: Vec<u8>,
    der: Vec<u8>,
}

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    pub fn ca_key(&self) -> PathBuf {
        self.0.join("ca.key")
    }

    pub fn crl(&self) -> PathBuf {
        self.0.join("crl.pem")
    }

    /// Where the certificate and the key of a name lie.
    pub fn pair(&self, identity: &Identity) -> Result<(PathBuf, PathBuf), Failure> {
        let (kind, owner, name) = match identity {
            Identity::Node { region, node } => ("nodes", region.as_str(), node.as_str()),
            Identity::Vehicle { fleet, vehicle } => ("vehicles", fleet.as_str(), vehicle.as_str()),
        };
        if owner.chars().all(|c| c == '.') {
            return Err(Failure::usage(format!("{owner:?} cannot be the name of a folder; choose another")));
        }
        let beside = self.0.join(kind).join(owner);
        Ok((beside.join(format!("{name}.pem")), beside.join(format!("{name}.key"))))
    }

    /// Nothing of a CA is there yet.
    pub fn must_be_free(&self) -> Result<(), Failure> {
        let taken = [self.ca_key(), self.ca(), self.crl()].into_iter().find(|file| file.exists());
        match taken {
            Some(file) => {
                let what = "is there already and is not written over; name another folder with --dir";
                Err(Failure::usage(format!("{} {what}", file.display())))
            }
            None => Ok(()),
        }
    }

    /// The CA of the folder.
    pub fn authority(&self) -> Result<Authority, Failure> {
        if !self.ca().exists() {
            let what = "is not there; `waygate pki init` makes a CA, --dir names another folder";
            return Err(Failure::usage(format!("{} {what}", self.ca().display())));
        }
        let (cert, key) = (read(&self.ca())?, read(&self.ca_key())?);
        let authority = Authority::load(&cert, &key);
        authority.map_err(|what| Failure::usage(format!("{}: {what}", self.0.display())))
    }

    /// A certificate of another CA is not this one's to renew or revoke.
    pub fn must_have_issued(&self, certificate: &Issued, file: &Path) -> Result<(), Failure> {
        let pem = read(&self.ca())?;
        let unreadable = || Failure::usage(format!("{} is no certificate", self.ca().display()));
        let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable())?;
        let ca = pem.parse_x509().map_err(|_| unreadable())?;
        let signed = X509Certificate::from_der(&certificate.der)
            .is_ok_and(|(_, one)| one.verify_signature(Some(ca.public_key())).is_ok());
        if signed {
            return Ok(());
        }
        let what = format!("was not issued by {}; name the folder of its CA with --dir", self.ca().display());
        Err(Failure::usage(format!("{} {what}", file.display())))
    }

    /// Keeps a copy.
    pub fn note(&self, made: &Made) -> Result<(), Failure> {
        let number: String = made.serial.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(&self.0.join("issued").join(format!("{number}.pem")), &made.cert)
    }

    /// Every certificate that a name was issued.
    pub fn issued_to(&self, identity: &Identity) -> Result<Vec<Issued>, Failure> {
        let folder = self.0.join("issued");
        let unreadable = |error| Failure::internal(format!("{} cannot be read: {error}", folder.display()));
        let mut found = Vec::new();
        if folder.exists() {
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let one = Issued::read(&entry.map_err(unreadable)?.path())?;
                if one.identity == *identity {
                    found.push(one);
                }
            }
        }
        Ok(found)
    }

    /// The number of the present list, and what is on it.
    pub fn listed(&self) -> Result<(u64, Vec<Revoked>), Failure> {
        let pem = read(&self.crl())?;
        let unusable = || {
            let what = "is no revocation list of this tool; restore it: gateways take no list with a lower number";
            Failure::usage(format!("{} {what}", self.crl().display()))
        };
        let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|_| unusable())?;
        let (_, list) = CertificateRevocationList::from_der(&pem.contents).map_err(|_| unusable())?;
        let number = list.crl_number().and_then(|number| number.to_string().parse().ok()).ok_or_else(unusable)?;
        let entries = list.iter_revoked_certificates();
        let entries = entries.map(|entry| (positive(entry.raw_serial()), entry.revocation_date.to_datetime()));
        Ok((number, entries.collect()))
    }

    /// Writes a file that is not there yet.
    pub fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        write(path, text, PUBLIC)
    }

    /// The same, for the owner's eyes alone.
    pub fn write_secret(&self, path: &Path, text: &str) -> Result<(), Failure> {
        write(path, text, SECRET)
    }

    /// Writes a file in the place of what is there, whole or not at all.
    pub fn replace(&self, path: &Path, text: &str) -> Result<(), Failure> {
        replace(path, text, PUBLIC)
    }

    /// The same, for the owner's eyes alone.
    pub fn replace_secret(&self, path: &Path, text: &str) -> Result<(), Failure> {
        replace(path, text, SECRET)
    }
}

impl Issued {
    /// Reads a certificate of a gateway or a vehicle.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let pem = read(path)?;
        let unreadable = || Failure::usage(format!("{} holds no certificate that can be read", path.display()));
        let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable())?;
        let certificate = pem.parse_x509().map_err(|_| unreadable())?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.clone()).unwrap_or_default();
        let uris = names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
        let identity = Identity::among(uris)
            .map_err(|error| Failure::usage(format!("{} is not of Waygate: {error}", path.display())))?;
        let hosts = names.iter().filter_map(host).collect();
        Ok(Self { identity, hosts, serial: positive(certificate.raw_serial()), der: pem.contents.clone() })
    }
}

/// As it was chosen, without the zero that keeps it positive.
fn positive(serial: &[u8]) -> Vec<u8> {
    serial.strip_prefix(&[0]).unwrap_or(serial).to_vec()
}

#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum; other names are not hosts")]
fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let fault = |error| Failure::internal(format!("{} cannot be written: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fault)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fault)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)
}

fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // What an earlier attempt left behind.
    let _ = fs::remove_file(&beside);
    write(&beside, text, mode)?;
    let fault = |error| Failure::internal(format!("{} cannot be replaced: {error}", path.display()));
    fs::rename(&beside, path).map_err(fault)
}
