//! Exact counts of gRPC calls by status code.

#[path = "scenario/grpc_count.rs"]
mod grpc_count;

const CODES: [(&str, &str); 4] = [
    ("0", "OK"),
    ("5", "NOT_FOUND"),
    ("13", "INTERNAL"),
    ("14", "UNAVAILABLE"),
];

#[test]
fn every_call_is_counted_by_its_code() {
    grpc_count::exact(false, 2000, &CODES);
}

#[test]
fn every_call_to_a_stripped_server_is_counted_by_its_code() {
    grpc_count::exact(true, 2000, &CODES);
}
