//! How a file that an application answers with is sent: by the kernel (`sendfile`), or by reading it.
//!
//! On the thread of the request. `sendfile` spares two copies of every byte. It takes the pages of the file's system as they are, and a file
//! that another machine changes (NFS, CIFS) may be sent with parts of two versions, or end early; so where nobody decided it is used
//! for file systems of this machine only. Source: `EnableSendfile` of httpd, `sendfile(2)`, `statfs(2)`.

use nix::sys::statfs::fstatfs;
use std::os::fd::BorrowedFd;

/// Below this `sendfile`, which needs calls of its own around it, saves nothing.
const LARGE: u64 = 64 * 1024;

/// The file systems of this machine, as `statfs` tells them: they are the kernel's numbers (`linux/magic.h`), the same everywhere.
const LOCAL: [i64; 12] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0xf2f5_2010, // f2fs
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // zfs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x794c_7630, // overlayfs
    0x7371_7368, // squashfs
    0xe0f5_e1e2, // erofs
    0x4d44,      // fat
];

/// Whether the kernel may send `length` bytes of a file. `configured` is what `WSGIEnableSendfile` says.
pub fn is_allowed(configured: Option<bool>, file: BorrowedFd<'_>, length: u64) -> bool {
    configured.unwrap_or_else(|| length >= LARGE && is_local(file))
}

fn is_local(file: BorrowedFd<'_>) -> bool {
    // The type of the number is another one on each architecture; it has 32 bits on all.
    fstatfs(file).is_ok_and(|facts| LOCAL.contains(&(facts.filesystem_type().0 as u32).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_configured_counts() {
        let file = File::open("/proc/self/stat").unwrap();
        assert!(is_allowed(Some(true), file.as_fd(), 1));
        assert!(!is_allowed(Some(false), file.as_fd(), LARGE));
    }

    #[test]
    fn large_files_of_this_machine_are_sent_by_the_kernel() {
        let file =
            nix::sys::memfd::memfd_create(c"file", nix::sys::memfd::MFdFlags::empty()).unwrap();
        assert!(is_allowed(None, file.as_fd(), LARGE));
        assert!(!is_allowed(None, file.as_fd(), LARGE - 1));
    }

    #[test]
    fn a_file_system_that_is_not_known_is_read() {
        let file = File::open("/proc/self/stat").unwrap();
        assert!(!is_allowed(None, file.as_fd(), LARGE));
    }
}
