package example

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"golens.test/targets/example/internal/node"
	pb "golens.test/targets/example/internal/registrypb"
)

// The server tells the file that its protocol is made from, so generated code that is old is found here.
func TestTheGeneratedCodeIsTheServersProtocol(t *testing.T) {
	connection, err := grpc.NewClient(node.Start(t).GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	defer connection.Close()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(connection).ServerReflectionInfo(t.Context())
	must(t, err)
	must(t, stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: pb.Registry_ServiceDesc.ServiceName,
		},
	}))
	answer, err := stream.Recv()
	must(t, err)
	told := &descriptorpb.FileDescriptorProto{}
	must(t, proto.Unmarshal(answer.GetFileDescriptorResponse().GetFileDescriptorProto()[0], told))
	told.SourceCodeInfo = nil
	if generated := protodesc.ToFileDescriptorProto(pb.File_golens_registry_v1_registry_proto); !proto.Equal(told, generated) {
		t.Errorf("the server has\n%v\nthe generated code\n%v", told, generated)
	}
}
