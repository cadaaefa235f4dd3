// Command inventory counts stock; it serves gRPC and logs text.
package main

import (
	"context"
	"hash/fnv"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"golens.test/services/internal/inventorypb"
	"golens.test/services/internal/service"
)

// shelves is how many entries are built per call: 128 KiB, so that the garbage collector has work.
const shelves = 16 * 1024

// low is the stock below which a warning is logged.
const low = 10

type inventory struct{}

func main() {
	options := service.Parse(false)
	service.LogTo(options.JSON)
	server := grpc.NewServer()
	inventorypb.Register(server, inventory{})
	state := health.NewServer()
	state.SetServingStatus(inventorypb.Service, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, state)

	listener := service.Listen(options.Listen)
	stopped := service.Stopped()
	go func() {
		<-stopped.Done()
		server.GracefulStop()
	}()
	if err := server.Serve(listener); err != nil {
		service.Fail(err)
	}
}

// Check counts the item on every shelf.
func (inventory) Check(_ context.Context, item *wrapperspb.StringValue) (*wrapperspb.Int64Value, error) {
	if item.GetValue() == "" {
		slog.Warn("stock of nothing asked")
		return nil, status.Error(codes.InvalidArgument, "an item is needed")
	}
	stock := count(item.GetValue())
	if stock < low {
		slog.Warn("stock low", "item", item.GetValue(), "stock", stock)
	} else {
		slog.Info("stock checked", "item", item.GetValue(), "stock", stock)
	}
	return wrapperspb.Int64(stock), nil
}

func count(item string) int64 {
	hash := fnv.New64a()
	hash.Write([]byte(item))
	seed := hash.Sum64()
	full := make([]uint64, shelves)
	for shelf := range full {
		seed = seed*6364136223846793005 + 1442695040888963407
		full[shelf] = seed >> 60
	}
	var stock int64
	for _, pieces := range full[:8] {
		stock += int64(pieces / 4)
	}
	return stock
}
