//! `cargo xtask setup`: installs what the test command needs and says what is there.

use crate::tools::Tool;
use anyhow::{Result, bail};

pub(crate) fn run() -> Result<bool> {
    for tool in Tool::ALL {
        let there = tool.found();
        let wanted = there.as_deref().is_some_and(|version| is_wanted(tool, version));
        if !wanted {
            let install = tool.install();
            println!("{tool}: {}, installing: {install}", there.as_deref().unwrap_or("missing"));
            if !install.run()? {
                bail!("{tool} could not be installed by `{install}`");
            }
        }
        match tool.found() {
            Some(version) => println!("{tool}: {version}"),
            None => bail!("{tool} is still missing after `{}`", tool.install()),
        }
    }
    Ok(true)
}

fn is_wanted(tool: Tool, version: &str) -> bool {
    tool.pinned().is_none_or(|pinned| version.split_whitespace().any(|word| word == pinned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_than_the_pinned_one_is_replaced() {
        assert!(is_wanted(Tool::CargoDeny, "cargo-deny 0.20.2"));
        assert!(!is_wanted(Tool::CargoDeny, "cargo-deny 0.20.20"));
        assert!(is_wanted(Tool::Clippy, "clippy 0.1.99"));
    }
}
