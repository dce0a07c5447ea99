use super::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn on_a_terminal_the_status_is_written_over_and_stays_below_the_lines() {
    let paper = Paper::default();
    let mut screen = Screen::to_writer(Box::new(paper.clone()), true);
    screen.status("one");
    screen.status("one");
    screen.line("event");
    screen.status("two");
    screen.end_status();
    screen.line("bye");
    assert_eq!(
        paper.text(),
        "\rone\u{1b}[K\r\u{1b}[Kevent\none\rtwo\u{1b}[K\r\u{1b}[Kbye\n",
        "the same status is not written twice"
    );
}

#[test]
fn elsewhere_the_status_is_a_plain_line_now_and_then() {
    let paper = Paper::default();
    let mut screen = Screen::to_writer(Box::new(paper.clone()), false);
    screen.status("one");
    screen.status("two");
    screen.line("event");
    screen.end_status();
    assert_eq!(paper.text(), "one\nevent\n");
}

#[test]
fn a_long_status_is_cut_so_that_it_never_wraps() {
    let paper = Paper::default();
    let mut screen = Screen::to_writer(Box::new(paper.clone()), true);
    screen.status(&"x".repeat(5000));
    assert!(paper.text().chars().filter(|&c| c == 'x').count() < screen.columns());
}
