//! Everything that leaves the node: one bounded queue per back end.
