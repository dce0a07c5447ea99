//! The live screen: drawn anew a few times a second in one write, so that nothing flickers; left as it was found.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, queue, style::Print};
use tokio::sync::mpsc;

use crate::commands::regions;
use crate::commands::vehicles;
use crate::commands::watch::feed::{Feed, News};
use crate::commands::watch::model::Model;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words;

/// Between two drawings: calm, and yet live.
const DRAW_EVERY: Duration = Duration::from_millis(400);

/// How long the thread that reads keys takes to notice that it may end.
const KEY_POLL: Duration = Duration::from_millis(100);

/// Lines of changes at the bottom of a screen of ordinary height.
const CHANGE_LINES: usize = 6;

pub async fn follow(mut feed: Feed, url: &str, output: &mut Output) -> Result<Exit, Failure> {
    let mut model = Model::default();
    // The first news tell whether there is a gateway at all: before that, the screen stays as it is.
    match feed.next().await {
        None => return Ok(Exit::Ok),
        Some(News::Ended(error)) => return Err(error.into()),
        Some(news) => model.take(Instant::now(), news),
    }
    let mut screen = Screen::open(output.colour, url)?;
    let mut draw = tokio::time::interval(DRAW_EVERY);
    draw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    loop {
        // Each branch is cancel-safe: two channels, a signal and an interval.
        tokio::select! {
            news = feed.next() => match news {
                None => return Ok(Exit::Ok),
                Some(News::Ended(error)) => {
                    drop(screen);
                    return Err(error.into());
                }
                Some(news) => {
                    model.take(Instant::now(), news);
                    while let Some(news) = feed.try_next() {
                        model.take(Instant::now(), news);
                    }
                }
            },
            key = screen.keys.recv() => match key {
                None | Some(Key::Quit) => return Ok(Exit::Ok),
                Some(key) => {
                    screen.layout.scroll(key, model.len());
                    screen.draw(&model, Instant::now())?;
                }
            },
            _ = term.recv() => return Ok(Exit::Ok),
            _ = draw.tick() => screen.draw(&model, Instant::now())?,
        }
    }
}

/// What a key means here.
#[derive(Clone, Copy, Debug)]
enum Key {
    Quit,
    Lines(isize),
    Pages(isize),
    First,
    Last,
    Resized,
}

/// The terminal while it is ours.
struct Screen {
    layout: Layout,
    keys: mpsc::Receiver<Key>,
    closing: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Screen {
    fn open(colour: bool, url: &str) -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let closing = Arc::new(AtomicBool::new(false));
        let (sender, keys) = mpsc::channel(16);
        let stop = Arc::clone(&closing);
        let reader = std::thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&sender, &stop));
        let screen = Self { layout: Layout::new(colour, url), keys, closing, reader: reader.ok() };
        let mut stdout = io::stdout();
        queue!(stdout, EnterAlternateScreen, cursor::Hide)?;
        stdout.flush()?;
        Ok(screen)
    }

    fn draw(&mut self, model: &Model, now: Instant) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let lines = self.layout.lines(model, now, width, usize::from(height));
        let mut frame = Vec::with_capacity(usize::from(width) * usize::from(height) * 2);
        for (row, line) in (0..height).zip(lines.iter().map(String::as_str).chain(std::iter::repeat(""))) {
            queue!(frame, cursor::MoveTo(0, row), Print(line), Clear(ClearType::UntilNewLine))?;
        }
        let mut stdout = io::stdout();
        stdout.write_all(&frame)?;
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // It only polls; a panic in it has been reported by itself.
            let _ = reader.join();
        }
        let mut stdout = io::stdout();
        // The terminal may be gone; then there is nothing to restore.
        let _ = queue!(stdout, cursor::Show, LeaveAlternateScreen);
        let _ = stdout.flush();
        let _ = terminal::disable_raw_mode();
    }
}

/// What stands where.
#[derive(Debug)]
struct Layout {
    colour: bool,
    url: String,
    /// Vehicles above the first shown.
    skipped: usize,
    /// Vehicles shown in the last drawing.
    shown: usize,
}

impl Layout {
    fn new(colour: bool, url: &str) -> Self {
        Self { colour, url: url.to_owned(), skipped: 0, shown: 0 }
    }

    fn scroll(&mut self, key: Key, vehicles: usize) {
        let page = isize::try_from(self.shown.max(1)).unwrap_or(isize::MAX);
        let last = vehicles.saturating_sub(self.shown.max(1));
        let skipped = match key {
            Key::Lines(lines) => self.skipped.saturating_add_signed(lines),
            Key::Pages(pages) => self.skipped.saturating_add_signed(pages.saturating_mul(page)),
            Key::First => 0,
            Key::Last => last,
            Key::Resized | Key::Quit => self.skipped,
        };
        self.skipped = skipped.min(last);
    }

    fn lines(&mut self, model: &Model, now: Instant, width: u16, height: usize) -> Vec<String> {
        let mut lines = vec![self.title(model, width), String::new()];
        if let Some(regions) = &model.regions {
            lines.extend(regions::grid(regions).lines(width, self.colour));
            lines.push(String::new());
        }
        let changes = model.changes.len().min(CHANGE_LINES).min(height / 5);
        let below = if changes > 0 { changes + 1 } else { 0 };
        // A heading, and the line that says where in the list this is.
        let room = height.saturating_sub(lines.len() + below + 2);
        self.shown = room.min(model.len());
        self.skipped = self.skipped.min(model.len() - self.shown);
        lines.extend(vehicles::grid(&model.window(now, self.skipped, room)).lines(width, self.colour));
        lines.push(self.whereabouts(model));
        if changes > 0 {
            lines.push(String::new());
            lines.extend(model.changes.iter().take(changes).map(|change| {
                let line =
                    format!("{:>7} ago  {}", words::age(change.age(now).as_secs_f64()), words::plain(&change.text));
                cut(&line, width)
            }));
        }
        lines.truncate(height);
        lines
    }

    fn title(&self, model: &Model, width: u16) -> String {
        let what = match (&model.broken, &model.regions) {
            (Some(why), _) => format!("NOT CONNECTED to {}: {}; trying again", self.url, words::plain(why)),
            (None, Some(regions)) => format!("Waygate, as {} in {} sees it", regions.gateway, regions.region),
            (None, None) => format!("Waygate at {}", self.url),
        };
        let line = cut(&what, width);
        match (self.colour, model.broken.is_some()) {
            (false, _) => line,
            (true, true) => format!("\u{1b}[1;31m{line}\u{1b}[0m"),
            (true, false) => format!("\u{1b}[1m{line}\u{1b}[0m"),
        }
    }

    fn whereabouts(&self, model: &Model) -> String {
        let (first, last) = (self.skipped + 1, self.skipped + self.shown);
        let text = if self.shown == 0 {
            format!("{} vehicles; q ends", words::count(model.len() as u64))
        } else {
            format!("{first}-{last} of {} vehicles; ↑ ↓ PgUp PgDn scroll, q ends", words::count(model.len() as u64))
        };
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text }
    }
}

fn read_keys(keys: &mpsc::Sender<Key>, closing: &AtomicBool) {
    while !closing.load(Ordering::Relaxed) {
        let key = match event::poll(KEY_POLL) {
            Ok(false) => continue,
            Ok(true) => event::read().map(meaning),
            Err(error) => Err(error),
        };
        match key {
            Ok(None) => {}
            // A full channel means keys faster than they are drawn: the rest is not missed.
            Ok(Some(key)) => drop(keys.try_send(key)),
            Err(_) => return,
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "a terminal's keys are not ours, and most mean nothing here")]
fn meaning(event: TerminalEvent) -> Option<Key> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
            KeyCode::Up | KeyCode::Char('k') => Some(Key::Lines(-1)),
            KeyCode::Down | KeyCode::Char('j') => Some(Key::Lines(1)),
            KeyCode::PageUp => Some(Key::Pages(-1)),
            KeyCode::PageDown | KeyCode::Char(' ') => Some(Key::Pages(1)),
            KeyCode::Home => Some(Key::First),
            KeyCode::End => Some(Key::Last),
            _ => None,
        },
        TerminalEvent::Resize(..) => Some(Key::Resized),
        _ => None,
    }
}

fn cut(line: &str, width: u16) -> String {
    line.chars().take(usize::from(width)).collect()
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
