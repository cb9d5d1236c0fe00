//! What tests in JavaScript need: their packages at the locked versions, and Node.js to run them.

use std::path::Path;
use std::process::Command;

/// Runs a program of Node.js to its end; whether it ended well.
pub fn node(program: &str, arguments: &[&str], directory: &Path, environment: &[(&str, String)]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory);
    command.envs(environment.iter().map(|(name, value)| (name, value.as_str())));
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            panic!("{program} could not be started: {error}; Node.js 20 or newer with npm is needed")
        }
    }
}

/// `npm ci`, unless what is there is what the lock file says.
pub fn install(directory: &Path) {
    let lock = std::fs::read(directory.join("package-lock.json")).unwrap();
    let stamp = directory.join("node_modules/.castline-lock");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return;
    }
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    assert!(node("npm", &arguments, directory, &[]), "npm ci failed in {}", directory.display());
    std::fs::write(stamp, lock).unwrap();
}
