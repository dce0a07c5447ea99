use super::*;
use crate::bundled;

fn config(gateways: usize, prefix: &str) -> FleetConfig {
    let gateways = (0..gateways).map(|i| format!("ws://127.0.0.1:{}/v1/obu", i + 1)).collect();
    FleetConfig {
        gateways,
        prefix: prefix.to_owned(),
        speed: 100.0,
        seed: 1,
        ledgers: true,
        issuing: Issuing::default(),
    }
}

fn traffic(vehicles: usize) -> (Movement, Regions) {
    let trace = Arc::new(bundled::luxembourg().unwrap());
    let regions = bundled::regions(&trace);
    (Movement::new(trace, vehicles, 1), regions)
}

#[tokio::test]
async fn a_fleet_that_cannot_be_is_refused() {
    let (movement, regions) = traffic(3);
    let refused = Fleet::start(config(3, "a b"), movement.clone(), regions.clone()).unwrap_err().to_string();
    assert!(refused.contains("\"a b\" makes no vehicle ids"), "{refused}");
    let refused = Fleet::start(config(2, "LUX"), movement, regions).unwrap_err().to_string();
    assert!(refused.contains("3 regions and 2 gateways"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn without_any_gateway_vehicles_keep_their_records_and_stop_in_time() {
    let (movement, regions) = traffic(20);
    let fleet = Fleet::start(config(3, "LUX"), movement, regions).unwrap();
    // Nothing listens on ports 1 to 3: every dial is refused.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let figures = fleet.figures();
    assert_eq!((figures.vehicles, figures.attached, figures.acked), (20, 0, 0));
    assert!(figures.seeking > 5 && figures.recorded > 20, "{figures:?}");
    let (figures, ledgers) = fleet.stop(Duration::from_secs(60)).await;
    assert_eq!(figures.seeking, 0, "all have stopped");
    assert_eq!(ledgers.len(), 20);
    assert_eq!(ledgers[19].vehicle().as_str(), "LUX-0020");
    let given_out: u64 = ledgers.iter().map(VehicleLedger::given_out).sum();
    assert_eq!((given_out, ledgers.iter().map(VehicleLedger::acked).sum::<u64>()), (figures.recorded, 0));
}
