//! A look at the committed files themselves: nothing in them may hold for one machine only.

use crate::process::CommandLine;
use anyhow::{Context, Result, bail};

/// What no committed file may contain: why, and the pattern (POSIX extended). A path counts where it starts one, not inside an URL.
const FORBIDDEN: [(&str, &str); 3] = [
    ("a path of somebody's machine", "(^|[^A-Za-z0-9_.~)/-])/(home|root|Users|work)/[A-Za-z0-9_.]"),
    ("a merge left unfinished", "^(<<<<<<<|>>>>>>>) "),
    ("a private key", "BEGIN ([A-Z]+ )?PRIVATE KEY"),
];

/// `Ok(false)` after it has named every place.
pub(crate) fn check() -> Result<bool> {
    let mut good = true;
    for (why, pattern) in FORBIDDEN {
        let output = CommandLine::new("git")
            .args(["grep", "-nIE", "-e", pattern])
            .command()
            .output()
            .context("could not start `git grep`")?;
        match output.status.code() {
            Some(1) => {}
            Some(0) => {
                good = false;
                println!("{why}:\n{}", String::from_utf8_lossy(&output.stdout).trim_end());
            }
            _ => bail!("`git grep` ended badly: {}", String::from_utf8_lossy(&output.stderr).trim()),
        }
    }
    Ok(good)
}
