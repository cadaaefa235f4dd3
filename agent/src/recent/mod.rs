//! The last spans and log lines in bounded memory.
