//! `waygate pki …`: certificates of gateways and vehicles, for development and small fleets. A CA of one's own does as well.

mod folder;
pub mod make;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use time::OffsetDateTime;
use waygate_gateway::tls::Identity;

use crate::exit::{Exit, Failure};
use crate::output::Output;

use folder::{Folder, Issued};
use make::{Authority, Order};

/// The longest a certificate may be valid, days: fifty years.
const DAYS_MAX: u32 = 50 * 365;

/// How long a CA is valid, days.
const CA_DAYS: u32 = 3650;

/// How long a gateway's certificate is valid, days: it is renewed without a restart.
const NODE_DAYS: u32 = 90;

/// How long a vehicle's certificate is valid, days: it may be out of reach for months.
const VEHICLE_DAYS: u32 = 365;

/// What a gateway is reached at if no host is named: this machine alone.
const OWN_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Clone, Debug, Args)]
pub struct PkiArgs {
    #[command(subcommand)]
    command: PkiCommand,
    /// The folder with the CA and what it has issued.
    #[arg(long, global = true, value_name = "FOLDER", default_value = "pki", env = "WAYGATE_PKI")]
    dir: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
enum PkiCommand {
    /// Make a CA in a new folder, with an empty revocation list.
    Init {
        /// What the CA is called; a few random letters follow.
        #[arg(long, default_value = "Waygate CA")]
        name: String,
        /// How long it is valid, in days.
        #[arg(long, default_value_t = CA_DAYS, value_parser = days())]
        days: u32,
    },
    /// Issue a certificate with a key of its own.
    #[command(subcommand)]
    Issue(IssueCommand),
    /// Replace a certificate and its key by new ones for the same name; a gateway takes them up by itself.
    Renew {
        /// The certificate's file; its key lies beside it as .key.
        #[arg(value_name = "CERTIFICATE")]
        cert: PathBuf,
        /// How long the new one is valid, in days; without it 90 for a gateway and 365 for a vehicle.
        #[arg(long, value_parser = days())]
        days: Option<u32>,
    },
    /// Put certificates on the revocation list; gateways that read it cut their connections and pass it on.
    Revoke {
        /// A certificate's file, or a name such as urn:waygate:vehicle:vans:LUX-1 for all that were issued to it.
        #[arg(value_name = "CERTIFICATE|NAME")]
        what: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
enum IssueCommand {
    /// For a gateway: its `[node] region` and `[node] id`.
    Node {
        #[arg(value_name = "REGION")]
        region: String,
        #[arg(value_name = "NODE")]
        node: String,
        /// A host name or address that operators reach it at; may be given several times. Without it this machine's own.
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// How long it is valid, in days.
        #[arg(long, default_value_t = NODE_DAYS, value_parser = days())]
        days: u32,
    },
    /// For a vehicle: its fleet and its id.
    Vehicle {
        #[arg(value_name = "FLEET")]
        fleet: String,
        #[arg(value_name = "VEHICLE")]
        vehicle: String,
        /// How long it is valid, in days.
        #[arg(long, default_value_t = VEHICLE_DAYS, value_parser = days())]
        days: u32,
    },
}

fn days() -> impl clap::builder::TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX))
}

pub fn run(args: &PkiArgs, output: &mut Output) -> Result<Exit, Failure> {
    let folder = Folder::new(&args.dir);
    match &args.command {
        PkiCommand::Init { name, days } => init(&folder, name, *days, output),
        PkiCommand::Issue(IssueCommand::Node { region, node, hosts, days }) => {
            let own = OWN_HOSTS.map(str::to_owned);
            let hosts = if hosts.is_empty() { own.to_vec() } else { hosts.clone() };
            issue(&folder, "node", region, node, Order { hosts, days: *days }, output)
        }
        PkiCommand::Issue(IssueCommand::Vehicle { fleet, vehicle, days }) => {
            issue(&folder, "vehicle", fleet, vehicle, Order { hosts: Vec::new(), days: *days }, output)
        }
        PkiCommand::Renew { cert, days } => renew(&folder, cert, *days, output),
        PkiCommand::Revoke { what } => revoke(&folder, what, output),
    }
}

fn init(folder: &Folder, name: &str, days: u32, output: &mut Output) -> Result<Exit, Failure> {
    folder.must_be_free()?;
    let (authority, cert, key) = Authority::make(name, days).map_err(Failure::internal)?;
    let list = authority.list(1, Vec::new()).map_err(Failure::internal)?;
    folder.write_secret(&folder.ca_key(), &key)?;
    folder.write(&folder.crl(), &list)?;
    // Last: its being there says that all the rest is.
    folder.write(&folder.ca(), &cert)?;
    output.line(format!(
        "wrote {}: the CA that gateways and vehicles are given, until {}",
        folder.ca().display(),
        until(days)
    ))?;
    output.line(format!("wrote {}: its key; keep it secret and back it up", folder.ca_key().display()))?;
    output.line(format!("wrote {}: its revocation list, empty", folder.crl().display()))?;
    output.note("next: waygate pki issue node REGION NODE --host NAME, and [tls] in its configuration (docs/trust.md)");
    Ok(Exit::Ok)
}

fn issue(
    folder: &Folder,
    kind: &str,
    owner: &str,
    name: &str,
    order: Order,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let text = format!("urn:waygate:{kind}:{owner}:{name}");
    let identity = Identity::parse(&text).map_err(|error| Failure::usage(format!("{text:?}: {error}")))?;
    let (cert, key) = folder.pair(&identity)?;
    for file in [&cert, &key] {
        if file.exists() {
            let renew = format!("`waygate pki renew {}` makes a new one", cert.display());
            return Err(Failure::usage(format!("{} is there already; {renew}", file.display())));
        }
    }
    let authority = folder.authority()?;
    let made = authority.issue(&identity, &order).map_err(Failure::usage)?;
    folder.note(&made)?;
    folder.write_secret(&key, &made.key)?;
    folder.write(&cert, &made.cert)?;
    told(&cert, &key, &identity, order.days, output)
}

fn renew(folder: &Folder, cert: &std::path::Path, days: Option<u32>, output: &mut Output) -> Result<Exit, Failure> {
    let authority = folder.authority()?;
    let old = Issued::read(cert)?;
    folder.must_have_issued(&old, cert)?;
    let usual = match &old.identity {
        Identity::Node { .. } => NODE_DAYS,
        Identity::Vehicle { .. } => VEHICLE_DAYS,
    };
    let order = Order { hosts: old.hosts, days: days.unwrap_or(usual) };
    let made = authority.issue(&old.identity, &order).map_err(Failure::usage)?;
    folder.note(&made)?;
    let key = cert.with_extension("key");
    folder.replace_secret(&key, &made.key)?;
    folder.replace(cert, &made.cert)?;
    told(cert, &key, &old.identity, order.days, output)
}

fn told(
    cert: &std::path::Path,
    key: &std::path::Path,
    identity: &Identity,
    days: u32,
    output: &mut Output,
) -> Result<Exit, Failure> {
    output.line(format!("wrote {}: {identity}, until {}", cert.display(), until(days)))?;
    output.line(format!("wrote {}: its key; keep it secret", key.display()))?;
    Ok(Exit::Ok)
}

fn revoke(folder: &Folder, what: &str, output: &mut Output) -> Result<Exit, Failure> {
    let authority = folder.authority()?;
    let certificates = if what.starts_with("urn:") {
        let identity = Identity::parse(what).map_err(|error| Failure::usage(format!("{what:?}: {error}")))?;
        let all = folder.issued_to(&identity)?;
        if all.is_empty() {
            return Err(Failure::new(Exit::Nothing, format!("{} has issued nothing to {what}", folder.ca().display())));
        }
        all
    } else {
        let file = PathBuf::from(what);
        let one = Issued::read(&file)?;
        folder.must_have_issued(&one, &file)?;
        vec![one]
    };
    let (number, mut listed) = folder.listed()?;
    let now = OffsetDateTime::now_utc();
    let mut added = 0;
    for one in certificates {
        if !listed.iter().any(|(serial, _)| *serial == one.serial) {
            added += 1;
            listed.push((one.serial, now));
        }
    }
    if added == 0 {
        output.note(&format!("all of it is on {} already", folder.crl().display()));
        return Ok(Exit::Ok);
    }
    let number = number + 1;
    let list = authority.list(number, listed).map_err(Failure::internal)?;
    folder.replace(&folder.crl(), &list)?;
    output.line(format!("wrote {}: {added} more revoked, list number {number}", folder.crl().display()))?;
    output.note("give it to one gateway as [tls] crl: all that are connected have it within 10 s");
    Ok(Exit::Ok)
}

/// The last day of a certificate that is made now.
fn until(days: u32) -> time::Date {
    (OffsetDateTime::now_utc() + time::Duration::days(i64::from(days))).date()
}
