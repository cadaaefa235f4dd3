//! A reading that really hangs: of a page whose owner handles its faults and does not answer.

use std::{io, sync::mpsc, time::Instant};

use super::*;
use crate::runtime::copy_of;

const PAGE: usize = 4_096;
const THREADS: usize = 2;

/// `UFFDIO_API`, `UFFDIO_REGISTER` and `UFFDIO_ZEROPAGE` of linux/userfaultfd.h.
const API: libc::c_ulong = 0xc018_aa3f;
const REGISTER: libc::c_ulong = 0xc020_aa00;
const ZEROPAGE: libc::c_ulong = 0xc020_aa04;
/// `UFFD_API` and `UFFDIO_REGISTER_MODE_MISSING`.
const VERSION: u64 = 0xaa;
const MISSING: u64 = 1;

/// A page that nobody can read until it is given content.
struct Page {
    descriptor: libc::c_int,
    address: u64,
}

impl Page {
    fn new() -> Self {
        // SAFETY: asks for fresh memory anywhere; nothing else knows of it.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(memory, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        // SAFETY: makes a descriptor and touches no memory.
        let descriptor = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
        assert!(
            descriptor >= 0,
            "userfaultfd: {}",
            io::Error::last_os_error()
        );
        let page = Self {
            descriptor: descriptor.try_into().expect("a descriptor"),
            address: u64::try_from(memory.addr()).expect("64 bits"),
        };
        page.control(API, &mut [VERSION, 0, 0]);
        page.control(REGISTER, &mut [page.address, PAGE as u64, MISSING, 0]);
        page
    }

    /// Answers the fault, with zeros.
    fn release(&self) {
        self.control(ZEROPAGE, &mut [self.address, PAGE as u64, 0, 0]);
    }

    fn control(&self, request: libc::c_ulong, argument: &mut [u64]) {
        // SAFETY: each request takes a struct of as many 64-bit numbers as `argument` has.
        let done = unsafe { libc::ioctl(self.descriptor, request, argument.as_mut_ptr()) };
        assert_eq!(done, 0, "{request:#x}: {}", io::Error::last_os_error());
    }
}

#[test]
fn a_read_that_never_comes_back_stalls_no_other() {
    let deadline = Duration::from_millis(20);
    let pool = Pool::start(THREADS, deadline).expect("threads");
    let pages: Vec<Page> = (0..THREADS).map(|_| Page::new()).collect();
    let own = std::process::id();
    let (tell, told) = mpsc::channel();
    for page in &pages {
        let (address, tell) = (page.address, tell.clone());
        pool.submit([move || tell.send(("hung", copy_of(own, address))).expect("heard")]);
    }
    let known = 0x1234_u64;
    let address = u64::try_from(std::ptr::from_ref(&known).addr()).expect("64 bits");
    let tell_other = tell.clone();
    pool.submit([move || {
        tell_other
            .send(("other", copy_of(own, address)))
            .expect("heard")
    }]);

    // Nothing comes by itself: every thread waits for a page.
    let patience = Instant::now() + Duration::from_secs(20);
    let mut replaced = 0;
    let first = loop {
        assert!(Instant::now() < patience, "{replaced} threads replaced");
        replaced += pool.watch(Instant::now());
        if let Ok(first) = told.recv_timeout(deadline) {
            break first;
        }
    };
    assert_eq!(first, ("other", Some(known)));
    assert!(replaced > 0);
    for page in &pages {
        page.release();
    }
    for _ in &pages {
        let late = told.recv_timeout(Duration::from_secs(20));
        assert_eq!(late, Ok(("hung", Some(0))));
    }
}
