// Package registrypb is what protoc makes of golens' registry.proto; a test compares it with what a server tells of itself.
//
//	protoc -I agent/registry/proto --go_out=OUT --go-grpc_out=OUT golens/registry/v1/registry.proto
package registrypb
