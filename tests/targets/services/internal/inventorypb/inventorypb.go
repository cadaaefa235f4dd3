// Package inventorypb is the gRPC interface of the inventory, written by hand on protobuf's
// well-known types.
package inventorypb

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	// Service is the full name of the service.
	Service = "inventory.Inventory"
	check   = "/" + Service + "/Check"
)

// Server answers how many pieces of an item are in stock.
type Server interface {
	Check(ctx context.Context, item *wrapperspb.StringValue) (*wrapperspb.Int64Value, error)
}

// Register makes the server answer calls.
func Register(registrar grpc.ServiceRegistrar, server Server) {
	registrar.RegisterService(&description, server)
}

// Check asks an inventory.
func Check(ctx context.Context, conn grpc.ClientConnInterface, item string, options ...grpc.CallOption) (int64, error) {
	out := new(wrapperspb.Int64Value)
	if err := conn.Invoke(ctx, check, wrapperspb.String(item), out, options...); err != nil {
		return 0, err
	}
	return out.GetValue(), nil
}

var description = grpc.ServiceDesc{
	ServiceName: Service,
	HandlerType: (*Server)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: handleCheck}},
	Metadata:    "inventory.proto",
}

func handleCheck(server any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
	item := new(wrapperspb.StringValue)
	if err := decode(item); err != nil {
		return nil, err
	}
	if intercept == nil {
		return server.(Server).Check(ctx, item)
	}
	info := &grpc.UnaryServerInfo{Server: server, FullMethod: check}
	return intercept(ctx, item, info, func(ctx context.Context, item any) (any, error) {
		return server.(Server).Check(ctx, item.(*wrapperspb.StringValue))
	})
}
