// Package kratos uses golens through kratos' unmodified Consul registry and Consul config.
package kratos

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	configconsul "github.com/go-kratos/kratos/contrib/config/consul/v2"
	registryconsul "github.com/go-kratos/kratos/contrib/registry/consul/v2"
	"github.com/go-kratos/kratos/v2/config"
	_ "github.com/go-kratos/kratos/v2/encoding/yaml"
	"github.com/go-kratos/kratos/v2/registry"
	transport "github.com/go-kratos/kratos/v2/transport/grpc"
	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc/health/grpc_health_v1"

	"golens.test/targets/clients/internal/golens"
)

// deadline bounds every wait for something that is expected to happen.
const deadline = 30 * time.Second

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// withHeartbeat is kratos' registry with the check that the instance itself keeps alive.
func withHeartbeat(server *golens.Registry) *registryconsul.Registry {
	return registryconsul.New(server.Client, registryconsul.WithHealthCheck(false),
		registryconsul.WithHeartbeat(true), registryconsul.WithHealthCheckInterval(1))
}

func TestInstancesAreRegisteredWatchedAndDeregistered(t *testing.T) {
	server := golens.Start(t)
	names := withHeartbeat(server)
	first := &registry.ServiceInstance{
		ID: "orders-1", Name: "orders", Version: "v1", Metadata: map[string]string{"region": "north"},
		Endpoints: []string{"grpc://10.0.0.1:9000", "http://10.0.0.1:8000"},
	}
	golens.Must(t, names.Register(soon(t), first))
	watcher, err := names.Watch(soon(t), "orders")
	golens.Must(t, err)
	defer watcher.Stop()

	found := next(t, watcher, 1)[0]
	if found.ID != first.ID || found.Version != "v1" || found.Metadata["region"] != "north" || len(found.Endpoints) != 2 {
		t.Errorf("found %+v", found)
	}
	second := &registry.ServiceInstance{ID: "orders-2", Name: "orders", Endpoints: []string{"grpc://10.0.0.2:9000"}}
	golens.Must(t, names.Register(soon(t), second))
	next(t, watcher, 2)

	// It lives by its heartbeats: longer than the TTL of 2 s.
	time.Sleep(4 * time.Second)
	if alive, err := names.GetService(soon(t), "orders"); err != nil || len(alive) != 2 {
		t.Errorf("after 4 s: %v, %v", alive, err)
	}
	golens.Must(t, names.Deregister(soon(t), first))
	if left := next(t, watcher, 1); left[0].ID != second.ID {
		t.Errorf("left is %+v", left[0])
	}
	golens.Must(t, names.Deregister(soon(t), second))
}

// next waits until the watcher tells that many instances, each with a heartbeat.
func next(t *testing.T, watcher registry.Watcher, count int) []*registry.ServiceInstance {
	t.Helper()
	for {
		found, err := watcher.Next()
		golens.Must(t, err)
		if len(found) == count {
			return found
		}
	}
}

// With kratos' defaults the node itself checks every endpoint, by TCP each 10 s, and the instance sends heartbeats.
func TestTheNodeChecksEndpointsByTCP(t *testing.T) {
	server := golens.Start(t)
	names := registryconsul.New(server.Client, registryconsul.WithHealthCheckInterval(1))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	golens.Must(t, err)
	instance := &registry.ServiceInstance{
		ID: "cart-1", Name: "cart", Endpoints: []string{fmt.Sprintf("http://%s", listener.Addr())},
	}
	golens.Must(t, names.Register(soon(t), instance))
	watcher, err := names.Watch(soon(t), "cart")
	golens.Must(t, err)
	defer watcher.Stop()
	next(t, watcher, 1)
	listener.Close()
	for end := time.Now().Add(deadline); ; time.Sleep(20 * time.Millisecond) {
		// Not by kratos: it keeps its last instance whatever it is told.
		found, _, err := server.Client.Health().Service("cart", "", true, nil)
		golens.Must(t, err)
		if len(found) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("an instance that nobody can reach is found")
		}
	}
	golens.Must(t, names.Deregister(soon(t), instance))
}

// health answers who it is.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (health) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func TestAGRPCClientFindsItsServerByDiscovery(t *testing.T) {
	names := withHeartbeat(golens.Start(t))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	golens.Must(t, err)
	server := transport.NewServer(transport.Listener(listener), transport.CustomHealth())
	grpc_health_v1.RegisterHealthServer(server, health{})
	go server.Start(t.Context())
	defer server.Stop(context.Background())

	instance := &registry.ServiceInstance{
		ID: "greeter-1", Name: "greeter", Endpoints: []string{fmt.Sprintf("grpc://%s", listener.Addr())},
	}
	golens.Must(t, names.Register(soon(t), instance))
	defer names.Deregister(context.Background(), instance)
	connection, err := transport.DialInsecure(soon(t),
		transport.WithEndpoint("discovery:///greeter"), transport.WithDiscovery(names), transport.WithTimeout(deadline))
	golens.Must(t, err)
	defer connection.Close()
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(soon(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("the server says %v, %v", answer, err)
	}
}

func TestAConfigurationIsLoadedAndFollowed(t *testing.T) {
	client := golens.Start(t).Client
	put := func(text string) {
		_, err := client.KV().Put(&api.KVPair{Key: "app/cart/config.yaml", Value: []byte(text)}, nil)
		golens.Must(t, err)
	}
	put("limit: 1\n")
	source, err := configconsul.New(client, configconsul.WithPath("app/cart"))
	golens.Must(t, err)
	loaded := config.New(config.WithSource(source))
	defer loaded.Close()
	golens.Must(t, loaded.Load())
	if limit, err := loaded.Value("limit").Int(); err != nil || limit != 1 {
		t.Fatalf("the limit is %d, %v", limit, err)
	}
	changed := make(chan int64, 1)
	golens.Must(t, loaded.Watch("limit", func(_ string, value config.Value) {
		limit, _ := value.Int()
		changed <- limit
	}))
	put("limit: 2\n")
	select {
	case limit := <-changed:
		if limit != 2 {
			t.Errorf("the limit changed to %d", limit)
		}
	case <-time.After(deadline):
		t.Error("the change was not told")
	}
}
