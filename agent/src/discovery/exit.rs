//! Tells the end of targets at once, whether the kernel side runs or not.

use std::{collections::HashMap, future, io};

use tokio::{
    io::{Interest, unix::AsyncFd},
    task::{AbortHandle, JoinSet},
};

use super::{PidFd, ProcessId};

/// Watches one handle per target; needs a tokio runtime with I/O.
#[derive(Debug, Default)]
pub struct ExitWatch {
    waits: JoinSet<ProcessId>,
    by_process: HashMap<ProcessId, AbortHandle>,
}

impl ExitWatch {
    /// A watch of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a process; one that has ended already is reported like the others.
    ///
    /// # Errors
    /// When the handle cannot be cloned or polled.
    pub fn watch(&mut self, id: ProcessId, handle: &PidFd) -> io::Result<()> {
        let handle = handle.try_clone()?;
        // SAFETY: a `PidFd` owns its descriptor, which nothing closes or replaces while it lives.
        let handle = unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE)? };
        let wait = self.waits.spawn(async move {
            if let Err(error) = handle.readable().await {
                tracing::warn!(%error, pid = id.pid, "cannot wait for the end of a target");
                future::pending::<()>().await;
            }
            id
        });
        if let Some(before) = self.by_process.insert(id, wait) {
            before.abort();
        }
        Ok(())
    }

    /// Removes a process.
    pub fn forget(&mut self, id: ProcessId) {
        if let Some(wait) = self.by_process.remove(&id) {
            wait.abort();
        }
    }

    /// Waits for the next end; for ever while nothing is watched. Safe to cancel.
    pub async fn next(&mut self) -> ProcessId {
        loop {
            match self.waits.join_next().await {
                Some(Ok(id)) => {
                    if self.by_process.remove(&id).is_some() {
                        return id;
                    }
                }
                // A forgotten process.
                Some(Err(_)) => {}
                None => future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, Stdio},
        time::Duration,
    };

    use super::*;
    use crate::discovery::Procfs;

    #[tokio::test]
    async fn ends_are_told_and_forgotten_processes_are_not() {
        let mut children: Vec<_> = (0..2)
            .map(|_| {
                Command::new("cat")
                    .stdin(Stdio::piped())
                    .spawn()
                    .expect("started")
            })
            .collect();
        let mut watch = ExitWatch::new();
        let mut ids = Vec::new();
        for child in &children {
            let id = Procfs::default().stat(child.id()).expect("runs").id;
            watch
                .watch(id, &PidFd::open(id.pid).expect("runs"))
                .expect("watched");
            ids.push(id);
        }
        watch.forget(ids[0]);
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().expect("ends when its input does");
        }
        let told = tokio::time::timeout(Duration::from_secs(5), watch.next()).await;
        assert_eq!(told.expect("told in time"), ids[1]);
    }
}
