//! The cache on disk: one small file per [`StoreKey`] in `castline/` under the game's directory.
//!
//! A file is replaced as a whole or not at all (temporary file, fsync, rename, fsync of the directory). It begins with a
//! header that tells a truncated or corrupt file from a good one; a bad file is set aside as `*.corrupt`, one per key, and
//! reads as absent. No fault of the disk is fatal: the client goes on with what it has in memory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use twox_hash::XxHash64;

use crate::error::Error;
use crate::io::StoreKey;

const MAGIC: &[u8; 8] = b"castlin1";
const HEADER: usize = 24;
/// Far above anything that is saved; a larger file is not ours.
const MAX_FILE: u64 = 4 << 20;

/// The cache of one client, which alone may use its directory.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: PathBuf,
    /// Held, not read.
    lock: Option<File>,
    failing: bool,
}

impl Disk {
    /// Makes the directory and locks it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it cannot be made, [`Error::InUse`] where another client has it.
    pub(crate) fn open(data_dir: &Path) -> Result<Disk, Error> {
        let dir = data_dir.join("castline");
        fs::create_dir_all(&dir).map_err(|error| {
            log::error!("castline: data_dir cannot be made: {error}");
            Error::InvalidArgument("data_dir cannot be made; the log says why")
        })?;
        let lock = match OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock")) {
            Ok(file) => match file.try_lock() {
                Ok(()) => Some(file),
                Err(TryLockError::WouldBlock) => return Err(Error::InUse),
                Err(TryLockError::Error(error)) => {
                    log::warn!("castline: data_dir cannot be locked: {error}; do not open it twice");
                    None
                }
            },
            // A read-only disk: what is there can still be read, and nobody can write.
            Err(error) => {
                log::warn!("castline: data_dir cannot be written: {error}; nothing will be remembered");
                None
            }
        };
        if lock.is_some() {
            sweep(&dir);
        }
        Ok(Disk { dir, lock, failing: false })
    }

    /// What was saved under a key; `None` where nothing was, or nothing good.
    pub(crate) fn load(&mut self, key: &StoreKey) -> Option<Vec<u8>> {
        let path = self.path(key);
        let bytes = match read_bounded(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                log::warn!("castline: {} cannot be read: {error}", path.display());
                return None;
            }
        };
        if let Some(payload) = unwrap(&bytes) {
            return Some(payload.to_vec());
        }
        let aside = path.with_added_extension("corrupt");
        log::warn!("castline: {} is corrupt and was set aside as {}", path.display(), aside.display());
        // A directory in the way cannot be renamed over; removing the file is the next best.
        if fs::rename(&path, &aside).is_err() {
            let _ = fs::remove_file(&path);
        }
        None
    }

    /// Keeps bytes, or deletes where there are none; whether they will survive the process.
    pub(crate) fn save(&mut self, key: &StoreKey, bytes: &[u8]) -> bool {
        let path = self.path(key);
        let done = if bytes.is_empty() { remove(&path) } else { replace(&path, bytes) };
        let done = done.and_then(|()| sync_dir(&self.dir));
        match &done {
            Ok(()) if self.failing => log::info!("castline: the disk takes data again"),
            // Once a burst: a full disk stays full for a while.
            Err(error) if !self.failing => log::warn!("castline: {} was not saved: {error}", path.display()),
            _ => {}
        }
        self.failing = done.is_err();
        done.is_ok()
    }

    fn path(&self, key: &StoreKey) -> PathBuf {
        self.dir.join(key.file_name())
    }
}

impl Drop for Disk {
    /// The lock would end with the file, but not before a process that was just forked off has let go of its copy.
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

/// Removes what a process that died left half-written: no later save need ever come to the same name.
fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "tmp") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(&wrap(bytes))?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // A half-written file would only use up the space that is missing.
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

/// Makes a rename or a removal last.
#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Elsewhere a directory cannot be opened like a file; the rename itself is journalled.
#[cfg(not(unix))]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Header: magic, length, XXH64 of the bytes, both little-endian.
fn wrap(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + bytes.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(&XxHash64::oneshot(0, bytes).to_le_bytes());
    out.extend_from_slice(bytes);
    out
}

fn unwrap(file: &[u8]) -> Option<&[u8]> {
    let (header, bytes) = file.split_at_checked(HEADER)?;
    (header[..8] == *MAGIC
        && header[8..16] == (bytes.len() as u64).to_le_bytes()
        && header[16..] == XxHash64::oneshot(0, bytes).to_le_bytes())
    .then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir.join("castline"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_saved_is_there_for_the_next_client() {
        let dir = tempfile::tempdir().unwrap();
        let key = StoreKey::Player("Anna:1".to_owned());
        let mut disk = Disk::open(dir.path()).unwrap();
        assert_eq!(disk.load(&key), None);
        assert!(disk.save(&key, b"one") && disk.save(&key, b"two"));
        assert!(disk.save(&StoreKey::Boot, b"boot"));
        drop(disk);

        let mut disk = Disk::open(dir.path()).unwrap();
        assert_eq!(disk.load(&key).as_deref(), Some(&b"two"[..]));
        assert!(disk.save(&key, b""), "no bytes: delete");
        assert!(disk.save(&key, b""), "and again");
        assert_eq!(disk.load(&key), None);
        assert_eq!(names(dir.path()), ["boot", "lock"], "nothing temporary stays");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed_and_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(dir.path()).unwrap();
        assert!(disk.save(&StoreKey::Boot, b"the last good answer"));
        let path = dir.path().join("castline/boot");
        let good = fs::read(&path).unwrap();
        let truncated = (0..good.len()).map(|n| good[..n].to_vec());
        let flipped = (0..good.len() * 8).map(|bit| {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            bad
        });
        let longer = [good.clone(), b"x".to_vec()].concat();
        for bad in truncated.chain(flipped).chain([longer]) {
            fs::write(&path, &bad).unwrap();
            assert_eq!(disk.load(&StoreKey::Boot), None, "{bad:?}");
            assert_eq!(names(dir.path()), ["boot.corrupt", "lock"], "one is kept");
            assert_eq!(fs::read(path.with_extension("corrupt")).unwrap(), bad);
        }
        assert!(disk.save(&StoreKey::Boot, b"a new one"));
        assert_eq!(disk.load(&StoreKey::Boot).as_deref(), Some(&b"a new one"[..]));
    }

    #[test]
    fn what_a_dead_process_left_half_written_is_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(dir.path()).unwrap();
        assert!(disk.save(&StoreKey::Boot, b"good"));
        let half = dir.path().join("castline/events-ann-7.tmp");
        fs::write(&half, b"half").unwrap();
        assert_eq!(Disk::open(dir.path()).unwrap_err(), Error::InUse);
        assert!(half.exists(), "another client may be writing it");
        drop(disk);
        let mut disk = Disk::open(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["boot", "lock"]);
        assert_eq!(disk.load(&StoreKey::Boot).as_deref(), Some(&b"good"[..]));
    }

    #[test]
    fn one_client_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Disk::open(dir.path()).unwrap();
        assert_eq!(Disk::open(dir.path()).unwrap_err(), Error::InUse);
        drop(first);
        assert!(Disk::open(dir.path()).is_ok());
    }

    #[test]
    fn a_copy_of_the_file_in_another_process_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = Disk::open(dir.path()).unwrap();
        // What a process has that is forked off now, until it runs another program.
        let _copy = first.lock.as_ref().unwrap().try_clone().unwrap();
        drop(first);
        assert!(Disk::open(dir.path()).is_ok());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_a_bad_option() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), b"").unwrap();
        assert!(matches!(Disk::open(&dir.path().join("file/below")), Err(Error::InvalidArgument(_))));
        fs::write(dir.path().join("castline"), b"").unwrap();
        assert!(matches!(Disk::open(dir.path()), Err(Error::InvalidArgument(_))));
    }

    #[test]
    fn a_disk_that_takes_nothing_keeps_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(dir.path()).unwrap();
        assert!(disk.save(&StoreKey::Boot, b"good"));
        // Permissions do not stop an administrator, so something is in the way of the temporary file.
        let in_the_way = dir.path().join("castline/boot.tmp");
        fs::create_dir(&in_the_way).unwrap();
        assert!(!disk.save(&StoreKey::Boot, b"lost"));
        assert!(disk.failing);
        assert_eq!(disk.load(&StoreKey::Boot).as_deref(), Some(&b"good"[..]));
        fs::remove_dir(&in_the_way).unwrap();
        assert!(disk.save(&StoreKey::Boot, b"better"));
        assert!(!disk.failing);
    }

    #[test]
    fn a_directory_in_place_of_a_file_is_only_absent() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("castline/boot")).unwrap();
        assert_eq!(disk.load(&StoreKey::Boot), None);
        assert!(!disk.save(&StoreKey::Boot, b"x"));
    }
}
