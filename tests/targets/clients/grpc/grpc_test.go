// Package grpc lets grpc-go find servers by its own DNS resolver, with golens as the authority.
package grpc

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"golens.test/targets/clients/internal/golens"
)

func TestAServiceIsDialledByItsName(t *testing.T) {
	registry := golens.Start(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	golens.Must(t, err)
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	defer server.Stop()
	host, text, err := net.SplitHostPort(listener.Addr().String())
	golens.Must(t, err)
	port, err := strconv.Atoi(text)
	golens.Must(t, err)
	service := &api.AgentServiceRegistration{Name: "greeter", Tags: []string{"v2"}, Address: host, Port: port}
	golens.Must(t, registry.Client.Agent().ServiceRegister(service))

	target := fmt.Sprintf("dns://%s/v2.greeter.service.consul:%d", registry.DNS, port)
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	golens.Must(t, err)
	defer connection.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("the server says %v, %v", answer, err)
	}
}
