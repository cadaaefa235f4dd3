//! One target's probes: planned from its binary, attached together, detached by dropping.

use std::{collections::BTreeMap, os::fd::BorrowedFd, sync::Arc};

use agent_ebpf::counter::Program;

use super::{FileKey, Kernel, ProbeError, features::Feature, links::Link};
use crate::resolve::Site;

/// Everything attached to one target.
#[derive(Debug, Default)]
pub struct Attachment {
    programs: BTreeMap<Program, AttachedProgram>,
}

/// One program at its site in one target.
#[derive(Debug)]
pub struct AttachedProgram {
    /// Where it sits.
    pub site: Site,
    _link: Arc<Link>,
}

impl Attachment {
    /// Attaches a feature: all of its programs, or none when one fails.
    ///
    /// # Errors
    /// `Attach` with the first failure.
    pub fn add(
        &mut self,
        kernel: &Kernel,
        feature: Feature,
        file: (BorrowedFd<'_>, FileKey),
        (pid, generation): (u32, u32),
        sites: &[Site],
    ) -> Result<(), ProbeError> {
        let programs = feature.programs().iter().chain(feature.extra_programs());
        self.add_programs(kernel, programs.copied(), file, (pid, generation), sites)
    }

    /// Attaches those of some programs that have a site: all, or none when one fails.
    ///
    /// # Errors
    /// `Attach` with the first failure.
    pub fn add_programs(
        &mut self,
        kernel: &Kernel,
        programs: impl IntoIterator<Item = Program>,
        file: (BorrowedFd<'_>, FileKey),
        (pid, generation): (u32, u32),
        sites: &[Site],
    ) -> Result<(), ProbeError> {
        let mut attached = Vec::new();
        for program in programs {
            let Some(site) = sites.iter().find(|site| site.program == program) else {
                continue;
            };
            let offsets = [site.file_offset];
            let link =
                kernel
                    .links
                    .attach(&kernel.ebpf, program, file, &offsets, pid, generation)?;
            attached.push((
                program,
                AttachedProgram {
                    site: site.clone(),
                    _link: link,
                },
            ));
        }
        self.programs.extend(attached);
        Ok(())
    }

    /// Detaches a feature; returns after the kernel's grace period.
    pub fn remove(&mut self, feature: Feature) {
        self.programs
            .retain(|program, _| Feature::of(*program) != feature);
    }

    /// What is attached, by program.
    pub fn programs(&self) -> impl Iterator<Item = (Program, &AttachedProgram)> {
        self.programs
            .iter()
            .map(|(program, attached)| (*program, attached))
    }
}
