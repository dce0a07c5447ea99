//! Numbers and texts in the words a person reads: ages, counts, places, and texts that cannot move the cursor.

use std::borrow::Cow;

/// An age in the largest unit that fits, at most three characters and a unit.
pub fn age(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 2.0 * 3600.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 48.0 * 3600.0 {
        format!("{:.0} h", seconds / 3600.0)
    } else {
        format!("{:.0} d", seconds / 86_400.0)
    }
}

/// A count with a thin grouping that copies as digits and spaces.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A size in the largest decimal unit that fits.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut value = number as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" || value >= 99.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// A speed for people: km/h from m/s.
pub fn speed(metres_per_second: f64) -> String {
    format!("{:.0} km/h", metres_per_second * 3.6)
}

/// A heading as an arrow and degrees.
pub fn heading(degrees: f64) -> String {
    const ARROWS: [char; 8] = ['↑', '↗', '→', '↘', '↓', '↙', '←', '↖'];
    let eighth = (degrees.rem_euclid(360.0) / 45.0).round() as usize % ARROWS.len();
    format!("{} {degrees:.0}°", ARROWS[eighth])
}

/// A place with about a metre of precision.
pub fn place(lat: f64, lon: f64) -> String {
    format!("{lat:.5}, {lon:.5}")
}

/// A text from elsewhere with its control characters made visible, so that it cannot command the terminal.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(
            text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect(),
        )
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
