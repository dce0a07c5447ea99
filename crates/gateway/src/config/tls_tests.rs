use crate::config::Config;
use std::path::Path;

const SMALLEST: &str = "[node]\nid = \"west-1\"\nregion = \"west\"\ndata_dir = \"data\"\n";
const TLS: &str =
    "[tls]\ncert = \"pki/west-1.pem\"\nkey = \"/run/west-1.key\"\nca = \"pki/ca.pem\"\ncrl = \"pki/crl.pem\"\n";

fn refused(text: &str) -> String {
    Config::parse(&format!("{SMALLEST}{text}")).unwrap_err().to_string()
}

#[test]
fn relative_paths_of_certificates_start_at_the_configuration_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("waygate.toml");
    std::fs::write(&file, format!("{SMALLEST}{TLS}")).unwrap();
    let tls = Config::load(&file).unwrap().tls.unwrap();
    assert_eq!(tls.cert, dir.path().join("pki/west-1.pem"));
    assert_eq!(tls.key, Path::new("/run/west-1.key"));
    assert_eq!(tls.crl, Some(dir.path().join("pki/crl.pem")));
}

#[test]
fn addresses_of_gateways_say_whether_they_speak_tls() {
    let text = refused(&format!("{TLS}[peers]\nseeds = [\"http://east:7801\"]\n"));
    assert!(text.contains("[peers] seeds") && text.contains("https://host:port"), "{text}");
    let text = refused("[peers]\nseeds = [\"https://east:7801\"]\n");
    assert!(text.contains("there is no [tls] section"), "{text}");
    let text = refused(&format!("{TLS}[operators]\nurl = \"http://west:7801\"\n"));
    assert!(text.contains("[operators] url"), "{text}");
    let good =
        format!("{SMALLEST}{TLS}[operators]\nurl = \"https://west:7801\"\n[peers]\nseeds = [\"https://east:7801\"]\n");
    Config::parse(&good).unwrap();
}

#[test]
fn the_list_of_nodes_names_nodes_and_this_one_among_them() {
    let text = refused("[cluster]\nnodes = [\"east-1\"]\n");
    assert!(text.contains("\"east-1\" is no urn:waygate:node:REGION:NODE"), "{text}");
    let text = refused("[cluster]\nnodes = [\"urn:waygate:node:east:*\"]\n");
    assert!(text.contains("does not admit this node itself, urn:waygate:node:west:west-1"), "{text}");
    let text = refused("[cluster]\nnodes = [\"urn:waygate:vehicle:vans:*\"]\n");
    assert!(text.contains("[cluster] nodes"), "{text}");
}
