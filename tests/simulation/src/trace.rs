//! The readable record of a history. Off (and free) unless somebody wants to read it.

use std::fmt::Write;

/// Lines of "time, who, what".
#[derive(Debug, Default)]
pub(crate) struct Trace {
    on: bool,
    text: String,
    now: u64,
}

impl Trace {
    pub(crate) fn new(on: bool) -> Trace {
        Trace { on, text: String::new(), now: 0 }
    }

    pub(crate) fn at(&mut self, now: u64) {
        self.now = now;
    }

    /// One line; `what` is only built when the trace is on.
    pub(crate) fn line(&mut self, arrow: &str, what: impl FnOnce() -> String) {
        if !self.on {
            return;
        }
        let (seconds, millis) = (self.now / 1000, self.now % 1000);
        let text = what();
        let _ = writeln!(self.text, "{seconds:>7}.{millis:03}  {arrow:<14} {text}");
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Cuts what would fill a screen.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 400;
    if text.len() <= MOST {
        return text.to_owned();
    }
    let mut end = MOST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… ({} bytes)", &text[..end], text.len())
}
