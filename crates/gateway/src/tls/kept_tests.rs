use super::{FILE, keep, restore};
use crate::tasks::Tasks;
use crate::tls::Revocations;
use crate::tls::pki::Ca;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::{Duration, Instant};

fn trusting(cas: &[&Ca]) -> Revocations {
    let anchor = |ca: &&Ca| {
        let certificate = CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap();
        webpki::anchor_from_trusted_cert(&certificate).unwrap().to_owned()
    };
    let revocations = Revocations::default();
    revocations.trust("test", cas.iter().map(anchor).collect());
    revocations
}

#[tokio::test]
async fn a_new_life_knows_the_newest_list_of_every_ca() {
    let (dir, one, two) = (tempfile::tempdir().unwrap(), Ca::new("one"), Ca::new("two"));
    let file = dir.path().join(FILE);
    let (before, tasks) = (trusting(&[&one, &two]), Tasks::default());
    before.take(&one.list(1, &[7]).1).unwrap();
    tasks.spawn("keep", keep(file.clone(), before.clone(), tasks.clone()));
    before.take(&two.list(5, &(0..2000).collect::<Vec<_>>()).1).unwrap();
    before.take(&one.list(2, &[7, 8]).1).unwrap();
    let started = Instant::now();
    loop {
        let after = trusting(&[&one, &two]);
        restore(&file, &after).unwrap();
        if after.held() == before.held() {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", after.held());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tasks.stop();
    assert_eq!(tasks.ended(Duration::from_secs(5)).await, 0);
    // A CA that is trusted no more counts no more, and harms nothing.
    let after = trusting(&[&two]);
    restore(&file, &after).unwrap();
    assert_eq!(after.held().len(), 1);
}

#[test]
fn a_damaged_file_takes_nothing_else_with_it() {
    let (dir, one) = (tempfile::tempdir().unwrap(), Ca::new("one"));
    let file = dir.path().join(FILE);
    restore(&file, &trusting(&[&one])).unwrap();
    let whole = one.list(3, &[7]).0;
    std::fs::write(&file, format!("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n{whole}")).unwrap();
    let after = trusting(&[&one]);
    restore(&file, &after).unwrap();
    assert_eq!(after.held().len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_not_taken_for_none() {
    let (dir, one) = (tempfile::tempdir().unwrap(), Ca::new("one"));
    // A folder stands for what may not be read.
    assert!(restore(dir.path(), &trusting(&[&one])).is_err());
}
