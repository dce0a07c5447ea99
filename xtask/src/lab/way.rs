//! A way to a port of a gateway, in user space: vehicles and, if there is a delay, peers come through it.
//!
//! A gateway takes vehicles without credentials from its own machine only; the way's near end is that. And where the kernel cannot
//! delay packets, the way does: what it reads is given on only after a time, in order, with a bounded buffer.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::place::Place;

/// Pieces under way in one direction of one connection, of `PIECE_BYTES` each: 1 MiB.
const PIECES_MAX: usize = 64;
const PIECE_BYTES: usize = 16 * 1024;

/// How long the far end may take to answer.
const CONNECT: Duration = Duration::from_secs(2);

/// A way that is open; it ends with this value.
#[derive(Debug)]
pub struct Way {
    listen: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Way {
    /// Opens it at a place, to an address there. `listen` is reached from the other places.
    pub fn open(place: &Place, listen: SocketAddr, to: SocketAddr, delay: Duration) -> Result<Self> {
        let closed = Arc::<AtomicBool>::default();
        let (place, ends) = (place.clone(), closed.clone());
        let (tell, told) = sync_channel(1);
        std::thread::spawn(move || {
            let bound = place.enter().and_then(|()| TcpListener::bind(listen).context("a way cannot listen"));
            match bound {
                Ok(listener) => {
                    let _ = tell.send(Ok(()));
                    accept(&listener, to, delay, &ends);
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
        told.recv().map_err(|_| anyhow!("a way ended before it was open"))??;
        Ok(Self { listen, closed })
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the one that accepts.
        let _ = TcpStream::connect_timeout(&self.listen, CONNECT);
    }
}

fn accept(listener: &TcpListener, to: SocketAddr, delay: Duration, closed: &AtomicBool) {
    for stream in listener.incoming() {
        if closed.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(stream) = stream {
            std::thread::spawn(move || carry(stream, to, delay));
        }
    }
}

/// Both directions, until either end is gone.
fn carry(near: TcpStream, to: SocketAddr, delay: Duration) {
    // Who cannot be reached is seen as one who hangs up.
    let Ok(far) = TcpStream::connect_timeout(&to, CONNECT) else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    let back = std::thread::spawn(move || pass(far_too, near_too, delay));
    pass(near, far, delay);
    let _ = back.join();
}

fn pass(from: TcpStream, to: TcpStream, delay: Duration) {
    let (give, take) = sync_channel(PIECES_MAX);
    let writer = to.try_clone().map(|to| std::thread::spawn(move || give_on(&take, to)));
    read_on(&from, &give, delay);
    drop(give);
    if let Ok(writer) = writer {
        let _ = writer.join();
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn read_on(mut from: &TcpStream, give: &SyncSender<(Instant, Vec<u8>)>, delay: Duration) {
    let mut bytes = vec![0; PIECE_BYTES];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if give.send((Instant::now() + delay, bytes[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn give_on(take: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    while let Ok((due, bytes)) = take.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}
