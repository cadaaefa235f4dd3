//! The store as its users see it, on real files.

mod audit;
mod damage;
mod folder;
mod groups;
mod index;
mod keys;
mod snapshots;
mod tokens;
mod watch;
