//! What the terminal shows: one line a step, with the time since the start on the left and what was measured on the right.
//!
//! Colour only where a person looks (a terminal, no `NO_COLOR`); the words say everything without it.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub(crate) struct Screen {
    started: Instant,
    colour: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|value| value != "dumb");
        Self { started: Instant::now(), colour: wanted && std::io::stdout().is_terminal() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn title(&self, text: &str) {
        println!("\n{}\n", self.paint("1", text));
    }

    /// A step without a measure of its own.
    pub(crate) fn line(&self, who: &str, what: impl Display) {
        println!("{}  {} {what}", self.clock(), self.who(who));
    }

    /// A step and how long it took.
    pub(crate) fn took(&self, who: &str, what: impl Display, took: Duration) {
        println!("{}  {} {:<WIDTH$} {:>9}", self.clock(), self.who(who), what.to_string(), span(took));
    }

    /// A line of the summary: what, the game's number, the server's.
    pub(crate) fn sum(&self, what: &str, game: impl Display, server: impl Display) {
        let line = format!("  {what:<40} {:>12} {:>15}", game.to_string(), server.to_string());
        println!("{}", line.trim_end());
    }

    pub(crate) fn good(&self, text: &str) {
        println!("\n{}", self.paint("32", text));
    }

    fn clock(&self) -> String {
        self.paint("2", &format!("{:>6.2} s", self.started.elapsed().as_secs_f64()))
    }

    fn who(&self, who: &str) -> String {
        self.paint("1", &format!("{who:<8}"))
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Room for the words, so that the measures stand in one column.
const WIDTH: usize = 66;

/// Three digits that mean something: `85 µs`, `12.3 ms`, `1.52 s`.
pub(crate) fn span(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..99_950 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        99_950..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_unit_that_fits() {
        let told = [85, 12_340, 512_900, 1_520_000].map(|micros| span(Duration::from_micros(micros)));
        assert_eq!(told, ["85 µs", "12.3 ms", "512 ms", "1.52 s"]);
    }
}
