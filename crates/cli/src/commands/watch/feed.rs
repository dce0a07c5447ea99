//! The live stream as a task of its own: it connects, lists where that is wanted, and goes on after a break from
//! where it was. It shows nothing.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use waygate_wire::operator::{Regions, StreamEvent, Vehicle, VehicleList};

use crate::api::{Api, ApiError};
use crate::commands::vehicles::collect;
use crate::events::{Event, EventReader};

/// News that wait for the one who shows them; more than that are not read from the socket.
const NEWS_WAITING_MAX: usize = 64;

/// Vehicles that are listed for the screen.
const LISTED_VEHICLES_MAX: u64 = 50_000;

/// Silence after which the stream counts as broken: three keepalives.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Waits between attempts to connect again.
const RETRY_MS_MIN: u64 = 500;
const RETRY_MS_MAX: u64 = 15_000;

/// What is asked of the stream.
#[derive(Clone, Debug)]
pub struct Wish {
    pub kinds: String,
    /// `region` and `bbox`, for the stream and the list alike.
    pub area: Vec<(&'static str, String)>,
    pub vehicles: Vec<String>,
    /// Ask for all vehicles and regions whenever the stream begins or has missed something.
    pub list: bool,
}

/// What the stream brings.
#[derive(Debug)]
pub enum News {
    /// An event as it came, and what it says if its kind is known here.
    Event { raw: Event, event: Option<StreamEvent> },
    /// Everything there is, at this moment.
    Listed { vehicles: Vec<Vehicle>, regions: Box<Regions> },
    /// The stream broke; it is tried again.
    Broken(String),
    /// It cannot be followed: the first attempt failed, or it never will be better.
    Ended(ApiError),
}

/// The running task and what it has brought. Dropping it ends the task.
#[derive(Debug)]
pub struct Feed {
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl Feed {
    pub fn start(api: Api, wish: Wish) -> Self {
        let (sender, news) = mpsc::channel(NEWS_WAITING_MAX);
        let follower = Follower { api, wish, sender, last_id: None, greeted: false };
        Self { news, task: tokio::spawn(follower.run()) }
    }

    /// The next news; `None` once it has ended.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// What has come meanwhile, without waiting.
    pub fn try_next(&mut self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The one who shows the news is gone.
struct Gone;

struct Follower {
    api: Api,
    wish: Wish,
    sender: mpsc::Sender<News>,
    last_id: Option<String>,
    /// The gateway has answered at least once.
    greeted: bool,
}

impl Follower {
    async fn run(mut self) {
        let mut retry_ms = RETRY_MS_MIN;
        loop {
            let before = self.last_id.clone();
            let Ok(outcome) = self.follow_once().await else { return };
            let why = match outcome {
                Err(error) if !self.greeted || !error.is_passing() => {
                    // Nobody left to tell is as good an end.
                    let _ = self.sender.send(News::Ended(error)).await;
                    return;
                }
                Err(error) => error.to_string(),
                Ok(why) => why,
            };
            if self.sender.send(News::Broken(why)).await.is_err() {
                return;
            }
            retry_ms = if self.last_id == before { (retry_ms * 2).min(RETRY_MS_MAX) } else { RETRY_MS_MIN };
            tokio::time::sleep(Duration::from_millis(retry_ms + spread_ms(retry_ms))).await;
        }
    }

    /// One connection: why it ended, or why there was none.
    async fn follow_once(&mut self) -> Result<Result<String, ApiError>, Gone> {
        let query = self.query();
        let mut body = match self.api.follow(&query, self.last_id.as_deref()).await {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        self.greeted = true;
        if let Err(error) = self.list().await? {
            return Ok(Err(error));
        }
        let mut reader = EventReader::default();
        let mut events = Vec::new();
        loop {
            let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
                Err(_) => return Ok(Ok("nothing was heard for three keepalives".to_owned())),
                Ok(None) => return Ok(Ok("the gateway ended the stream".to_owned())),
                Ok(Some(Err(error))) => return Ok(Ok(format!("the stream broke: {error}"))),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else { continue };
            if let Err(error) = reader.read(&bytes, &mut events) {
                return Ok(Ok(error.to_string()));
            }
            if let Some(id) = reader.last_id() {
                self.last_id = Some(id.to_owned());
            }
            for raw in events.drain(..) {
                let event = match StreamEvent::read(&raw.kind, &raw.data) {
                    Ok(event) => event,
                    Err(error) => return Ok(Err(self.api.unreadable(&error))),
                };
                let missed = matches!(event, Some(StreamEvent::Missed(_)));
                self.sender.send(News::Event { raw, event }).await.map_err(|_| Gone)?;
                if missed && let Err(error) = self.list().await? {
                    return Ok(Err(error));
                }
            }
        }
    }

    async fn list(&mut self) -> Result<Result<(), ApiError>, Gone> {
        if !self.wish.list {
            return Ok(Ok(()));
        }
        let (vehicles, regions) = match self.everything().await {
            Ok(everything) => everything,
            Err(error) => return Ok(Err(error)),
        };
        self.sender.send(News::Listed { vehicles, regions: Box::new(regions) }).await.map_err(|_| Gone)?;
        Ok(Ok(()))
    }

    async fn everything(&self) -> Result<(Vec<Vehicle>, Regions), ApiError> {
        let list: Value = collect(&self.api, &self.wish.area, LISTED_VEHICLES_MAX).await?;
        let mut vehicles = self.api.read::<VehicleList>(list)?.vehicles;
        if !self.wish.vehicles.is_empty() {
            let wanted: BTreeSet<_> = self.wish.vehicles.iter().collect();
            vehicles.retain(|vehicle| wanted.contains(&vehicle.id));
        }
        let regions = self.api.read(self.api.ask(&["regions"], &[]).await?)?;
        Ok((vehicles, regions))
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![("kind", self.wish.kinds.clone())];
        query.extend(self.wish.area.iter().cloned());
        if !self.wish.vehicles.is_empty() {
            query.push(("vehicle", self.wish.vehicles.join(",")));
        }
        query
    }
}

/// Up to half as much again, so that many who lost the same gateway do not come back as one.
fn spread_ms(retry_ms: u64) -> u64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    u64::from(nanos) % (retry_ms / 2 + 1)
}
