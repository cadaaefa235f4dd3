package consul

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// checked registers an instance with one check that runs each second.
func checked(t *testing.T, c *api.Client, check api.AgentServiceCheck) string {
	t.Helper()
	id := name(t, "")
	if check.AliasService == "" {
		check.Interval = "1s"
	}
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: id, Check: &check}))
	t.Cleanup(func() { c.Agent().ServiceDeregister(id) })
	return id
}

// becomes waits until the check of an instance has a status, and returns its output.
func becomes(t *testing.T, c *api.Client, id, status string) string {
	t.Helper()
	var index uint64
	var last string
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		checks, meta, err := c.Health().Checks(id, &api.QueryOptions{WaitIndex: index, WaitTime: deadline})
		must(t, err)
		index = meta.LastIndex
		if len(checks) == 1 && checks[0].Status == status {
			return checks[0].Output
		}
		last = fmt.Sprintf("%+v", checks)
	}
	t.Fatalf("%s does not become %s: %s", id, status, last)
	return ""
}

// says asserts what an output contains.
func says(t *testing.T, output, text string) {
	t.Helper()
	if !strings.Contains(output, text) {
		t.Fatalf("output %q, want %q", output, text)
	}
}

func TestAnHTTPCheckFollowsItsServer(t *testing.T) {
	c := client(t)
	var status atomic.Int32
	status.Store(200)
	var asked atomic.Pointer[http.Request]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, "all is said")
	}))
	defer server.Close()
	id := checked(t, c, api.AgentServiceCheck{
		HTTP: server.URL + "/health", Method: "POST", Timeout: "5s",
		Header: map[string][]string{"X-Check": {"yes"}}, FailuresBeforeCritical: 2,
	})
	output := becomes(t, c, id, api.HealthPassing)
	if want := "HTTP POST " + server.URL + "/health: 200 OK Output: all is said"; output != want {
		t.Fatalf("output %q, want %q", output, want)
	}
	if r := asked.Load(); r.Method != "POST" || r.Header.Get("X-Check") != "yes" {
		t.Fatalf("asked %+v", r)
	}
	status.Store(429)
	says(t, becomes(t, c, id, api.HealthWarning), "429 Too Many Requests")
	status.Store(500)
	says(t, becomes(t, c, id, api.HealthCritical), "500 Internal Server Error")
	status.Store(204)
	becomes(t, c, id, api.HealthPassing)
	server.Close()
	says(t, becomes(t, c, id, api.HealthCritical), "refused")
}

func TestAnHTTPSCheckBelievesNobodyUnlessItIsTold(t *testing.T) {
	c := client(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	wary := checked(t, c, api.AgentServiceCheck{HTTP: server.URL})
	for output := ""; output == ""; time.Sleep(50 * time.Millisecond) {
		checks, err := c.Agent().Checks()
		must(t, err)
		if output = checks["service:"+wary].Output; output != "" {
			says(t, output, "certificate")
		}
	}
	must(t, c.Agent().ServiceDeregister(wary))
	becomes(t, c, checked(t, c, api.AgentServiceCheck{HTTP: server.URL, TLSSkipVerify: true}), api.HealthPassing)
}

func TestATCPCheckFollowsItsListener(t *testing.T) {
	c := client(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	id := checked(t, c, api.AgentServiceCheck{TCP: address})
	output := becomes(t, c, id, api.HealthPassing)
	if output != "TCP connect "+address+": Success" {
		t.Fatalf("output %q", output)
	}
	must(t, listener.Close())
	becomes(t, c, id, api.HealthCritical)
}

// grpcHealth starts a server whose health the test sets.
func grpcHealth(t *testing.T, options ...grpc.ServerOption) (string, *health.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server, status := grpc.NewServer(options...), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, status)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String(), status
}

func TestAGRPCCheckFollowsTheHealthService(t *testing.T) {
	c := client(t)
	address, status := grpcHealth(t)
	status.SetServingStatus("orders", grpc_health_v1.HealthCheckResponse_SERVING)
	target := address + "/orders"
	id := checked(t, c, api.AgentServiceCheck{GRPC: target})
	says(t, becomes(t, c, id, api.HealthPassing), "gRPC check "+target+": success")
	status.SetServingStatus("orders", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	says(t, becomes(t, c, id, api.HealthCritical), "NOT_SERVING")
	status.Resume()
	becomes(t, c, id, api.HealthPassing)
}

// tlsHealth starts a health server with the certificate that net/http's test server has.
func tlsHealth(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	config := &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"h2"}}
	address, _ := grpcHealth(t, grpc.Creds(credentials.NewTLS(config)))
	return address
}

func TestAGRPCCheckSpeaksTLS(t *testing.T) {
	c := client(t)
	check := api.AgentServiceCheck{GRPC: tlsHealth(t), GRPCUseTLS: true, TLSSkipVerify: true}
	becomes(t, c, checked(t, c, check), api.HealthPassing)
}

// Over TLS, as Consul does unless told otherwise; its client cannot tell otherwise.
func TestAnH2PingIsAnswered(t *testing.T) {
	c := client(t)
	id := checked(t, c, api.AgentServiceCheck{H2PING: tlsHealth(t), TLSSkipVerify: true})
	says(t, becomes(t, c, id, api.HealthPassing), "HTTP2 ping was successful")
}

func TestAnAliasIsAsWellAsItsService(t *testing.T) {
	c := client(t)
	target := name(t, "-target")
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{
		Name: target, Check: &api.AgentServiceCheck{TTL: "120s"},
	}))
	id := checked(t, c, api.AgentServiceCheck{AliasService: target})
	becomes(t, c, id, api.HealthCritical)
	must(t, c.Agent().UpdateTTL("service:"+target, "fine", api.HealthPassing))
	becomes(t, c, id, api.HealthPassing)
	must(t, c.Agent().UpdateTTL("service:"+target, "hot", api.HealthWarning))
	says(t, becomes(t, c, id, api.HealthWarning), "hot")
	must(t, c.Agent().ServiceDeregister(target))
	says(t, becomes(t, c, id, api.HealthCritical), "not registered")
}

// The seed's 30 s are honoured; here 2 s, so that the test ends.
func TestACriticalServiceIsRemovedWhenItsTimeIsOver(t *testing.T) {
	c := client(t)
	id := checked(t, c, api.AgentServiceCheck{HTTP: "http://127.0.0.1:1/", DeregisterCriticalServiceAfter: "2s"})
	var index uint64
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		entries, meta, err := c.Health().Service(id, "", false, &api.QueryOptions{WaitIndex: index, WaitTime: deadline})
		must(t, err)
		if index = meta.LastIndex; len(entries) == 0 {
			return
		}
	}
	t.Fatal("it is still there")
}
