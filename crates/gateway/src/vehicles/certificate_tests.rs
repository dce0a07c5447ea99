use super::*;
use crate::tls::pki::{Ca, Folder, node, vehicle};

fn escaped(pem: &str) -> String {
    pem.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

fn proxied(ca: &Ca, dir: &Path) -> Proxied {
    let folder = Folder::write(dir, &ca.issue(&node("west", "west-1")), &ca.pem());
    Proxied::load(&folder.ca, None, &Revocations::default()).unwrap()
}

#[test]
fn a_certificate_is_read_from_a_header_in_either_form() {
    let pair = Ca::new("a CA").issue(&vehicle("vans", "LUX-1"));
    assert_eq!(of_header(&escaped(&pair.cert)).unwrap().as_ref(), pair.der);
    // As it stands in a header that nobody has escaped.
    assert_eq!(of_header(&pair.cert).unwrap().as_ref(), pair.der);
    assert_eq!(of_header(&format!(":{}:", STANDARD.encode(&pair.der))).unwrap().as_ref(), pair.der);
    let two = escaped(&format!("{0}{0}", pair.cert));
    for wrong in ["", ":", "::x", ":AAAA", "%", "%4", "%zz", "urn:waygate:vehicle:vans:LUX-1", two.as_str()] {
        assert_eq!(of_header(wrong).map(|der| der.len()).filter(|len| *len > 0), None, "{wrong:?}");
    }
}

#[test]
fn what_a_proxy_passes_on_is_checked_again() {
    let (ca, other, dir) = (Ca::new("a CA"), Ca::new("another CA"), tempfile::tempdir().unwrap());
    let proxied = proxied(&ca, dir.path());
    let check = |der: &[u8]| proxied.check(CertificateDer::from(der.to_vec()));
    let good = check(&ca.issue(&vehicle("vans", "LUX-1")).der).unwrap();
    assert_eq!(good.name.to_string(), "urn:waygate:vehicle:vans:LUX-1");
    assert_eq!(good.means.certificates().len(), 1);
    let wrong = [
        (other.issue(&vehicle("vans", "LUX-1")).der, "certificate_unknown_ca"),
        (crate::tls::pki::self_signed(&vehicle("vans", "LUX-1")).der, "certificate_self_signed"),
        (ca.issue(&node("west", "west-1")).der, "certificate_name"),
        (b"nothing".to_vec(), "certificate_unusable"),
    ];
    for (der, reason) in wrong {
        assert_eq!(word(&check(&der).unwrap_err()), reason);
    }
}

#[tokio::test]
async fn a_list_that_is_put_in_place_later_counts_as_well() {
    let (ca, dir) = (Ca::new("a CA"), tempfile::tempdir().unwrap());
    let pair = ca.issue(&vehicle("vans", "LUX-1"));
    let folder = Folder::write(dir.path(), &ca.issue(&node("west", "west-1")), &ca.pem());
    std::fs::write(&folder.crl, ca.list(1, &[]).0).unwrap();
    let (revocations, tasks) = (Revocations::default(), Tasks::default());
    let proxied = Proxied::load(&folder.ca, Some(&folder.crl), &revocations).unwrap();
    let check = || proxied.check(CertificateDer::from(pair.der.clone()));
    assert!(check().is_ok());
    tasks.spawn("lists", follow(folder.ca.clone(), folder.crl.clone(), revocations, tasks.clone()));
    std::fs::write(&folder.crl, ca.list(2, &[pair.serial]).0).unwrap();
    let began = std::time::Instant::now();
    while check().is_ok() {
        assert!(began.elapsed() < 5 * LOOK, "it still counts");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    tasks.stop();
}
