// Package registrypb is what protoc makes of golens' registry.proto; a test compares it with what a server tells of itself.
//
//	protoc -I agent/registry/proto --go_out=OUT --go-grpc_out=OUT --go_opt=M --go-grpc_opt=M golens/registry/v1/registry.proto
//
// with `Mgolens/registry/v1/registry.proto=golens.test/targets/example/internal/registrypb` for M.
package registrypb
