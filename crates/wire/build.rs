//! Compiles the contract in `proto/` with protox, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let files = ["waygate/v1/vehicle.proto", "waygate/v1/peer.proto", "waygate/v1/directory.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={root}/{file}");
    }
    let descriptors = protox::compile(files, [root])?;
    tonic_prost_build::configure()
        .bytes(".waygate.v1.StoredBatch.columns")
        .bytes(".waygate.v1.EntryBatch.entries")
        .bytes(".waygate.v1.SyncFrame.deflated")
        .bytes(".waygate.v1.AuditStretch.entries")
        .build_client(true)
        .build_server(true)
        .compile_fds(descriptors)?;
    Ok(())
}
