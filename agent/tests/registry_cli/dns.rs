//! Services by name: Go's resolver and another implementation of DNS against `golens registry serve`.

use crate::{
    go::go_tests,
    process::{Folder, Serve},
};

#[test]
fn names_are_answered_to_resolvers() {
    let folder = Folder::new("registry-dns");
    let arguments = [
        ["--http", "127.0.0.1:0"],
        ["--dns", "127.0.0.1:0"],
        ["--grpc", "127.0.0.1:0"],
        ["--dns-zone", "consul"],
        ["--dns-zone", "cluster.local"],
        ["--node", "node-1"],
    ];
    let mut serve = Serve::start(&folder.0, arguments.as_flattened());
    let http = serve.address("http://");
    let dns = serve.address("dns://");
    let dns = dns.trim_start_matches("dns://");
    go_tests(
        "./dns",
        &[("CONSUL_HTTP_ADDR", http.as_str()), ("GOLENS_DNS", dns)],
    );
}
