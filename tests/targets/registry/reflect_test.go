// Package registry calls golens' own gRPC protocol with an unmodified grpc-go, at the address in
// GOLENS_REGISTRY_ADDR. It has no generated code: it learns the messages from the server by reflection.
package registry

import (
	"context"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const service = "golens.registry.v1.Registry"

// deadline bounds everything that is expected to happen.
const deadline = 20 * time.Second

// client is a connection, and what the server says of its service.
type client struct {
	*grpc.ClientConn
	methods protoreflect.MethodDescriptors
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T) (*client, context.Context) {
	t.Helper()
	connection, err := grpc.NewClient(os.Getenv("GOLENS_REGISTRY_ADDR"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return &client{connection, describe(t, ctx, connection)}, ctx
}

// describe asks the server for the files that define its service.
func describe(t *testing.T, ctx context.Context, connection *grpc.ClientConn) protoreflect.MethodDescriptors {
	t.Helper()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	must(t, err)
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	ask := func(request *grpc_reflection_v1.ServerReflectionRequest) {
		must(t, stream.Send(request))
		answer, err := stream.Recv()
		must(t, err)
		for _, encoded := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
			file := &descriptorpb.FileDescriptorProto{}
			must(t, proto.Unmarshal(encoded, file))
			if !seen[file.GetName()] {
				seen[file.GetName()] = true
				set.File = append(set.File, file)
			}
		}
	}
	ask(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
	})
	for i := 0; i < len(set.File); i++ {
		for _, name := range set.File[i].GetDependency() {
			if !seen[name] {
				ask(&grpc_reflection_v1.ServerReflectionRequest{
					MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: name},
				})
			}
		}
	}
	files, err := protodesc.NewFiles(set)
	must(t, err)
	return find(t, files).Methods()
}

func find(t *testing.T, files *protoregistry.Files) protoreflect.ServiceDescriptor {
	t.Helper()
	descriptor, err := files.FindDescriptorByName(service)
	must(t, err)
	return descriptor.(protoreflect.ServiceDescriptor)
}

// method returns the path of a method, a request from JSON, and an empty answer.
func (c *client) method(t *testing.T, name, request string) (string, proto.Message, *dynamicpb.Message) {
	t.Helper()
	method := c.methods.ByName(protoreflect.Name(name))
	if method == nil {
		t.Fatalf("the server has no method %s", name)
	}
	message := dynamicpb.NewMessage(method.Input())
	must(t, protojson.Unmarshal([]byte(request), message))
	return "/" + service + "/" + name, message, dynamicpb.NewMessage(method.Output())
}

// call makes one call, and returns the answer as JSON decodes it.
func (c *client) call(t *testing.T, ctx context.Context, name, request string) (map[string]any, error) {
	t.Helper()
	path, message, answer := c.method(t, name, request)
	if err := c.Invoke(ctx, path, message, answer); err != nil {
		return nil, err
	}
	return decoded(t, answer), nil
}
