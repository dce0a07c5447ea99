//! `[cluster] regions` and `homes`: where the directory keeps vehicles.

use super::{ClusterConfig, ConfigError};
use waygate_core::homes::HomeRegions;
use waygate_core::id::RegionId;

impl ClusterConfig {
    /// The home regions, if a list of regions is configured; this gateway's own must be in it.
    pub fn home_regions(&self, own: &RegionId) -> Result<Option<HomeRegions>, ConfigError> {
        if self.regions.is_empty() {
            return match self.homes {
                None => Ok(None),
                Some(_) => Err(fault("homes", "needs regions, the list of all regions of the cluster, beside it")),
            };
        }
        let read =
            |name: &String| RegionId::new(name).map_err(|invalid| fault("regions", format!("{name:?}: {invalid}")));
        let list: Vec<RegionId> = self.regions.iter().map(read).collect::<Result<_, _>>()?;
        let homes = HomeRegions::new(list, self.homes).map_err(|invalid| fault("regions", invalid.to_string()))?;
        if !homes.lists(own) {
            return Err(fault(
                "regions",
                format!("must name {own}, this gateway's own region, as every gateway's list does"),
            ));
        }
        Ok(Some(homes))
    }
}

fn fault(key: &'static str, what: impl Into<String>) -> ConfigError {
    ConfigError::Homes { key, what: what.into() }
}
