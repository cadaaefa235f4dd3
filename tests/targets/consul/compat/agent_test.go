// Package compat starts golens where a program expects Consul's binary in its PATH.
//
// The agents are started by Consul's own test server, unmodified: it looks for `consul`, asks for its
// version, writes a configuration file, waits for the API, and ends the agent with SIGINT.
package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/sdk/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// start starts an agent, and checks at the end that it exits with status 0.
func start(t *testing.T, change testutil.ServerConfigCallback) *testutil.TestServer {
	t.Helper()
	agent, err := testutil.NewTestServerConfigT(t, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := agent.Stop(); err != nil {
			t.Errorf("after SIGINT: %v", err)
		}
	})
	return agent
}

func connect(t *testing.T, config *api.Config) *api.Client {
	t.Helper()
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func must[T any](t *testing.T) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestTheAgentIsWhatItsConfigurationSays(t *testing.T) {
	t.Parallel()
	agent := start(t, func(config *testutil.TestServerConfig) {
		config.NodeName = "here"
		config.NodeMeta = map[string]string{"rack": "7"}
		config.Datacenter = "north"
		config.PrimaryDatacenter = "south"
		config.EnableScriptChecks = true
	})
	agent.WaitForSerfCheck(t)
	client := connect(t, &api.Config{Address: agent.HTTPAddr})

	self := must[map[string]map[string]any](t)(client.Agent().Self())
	for key, want := range map[string]any{
		"NodeName": "here", "NodeID": agent.Config.NodeID, "Datacenter": "north",
		"PrimaryDatacenter": "south", "Server": true,
	} {
		if got := self["Config"][key]; got != want {
			t.Errorf("Config.%s is %v, not %v", key, got, want)
		}
	}
	wan := "tcp://" + agent.WANAddr
	if got := self["DebugConfig"]["SerfAdvertiseAddrWAN"]; got != wan {
		t.Errorf("SerfAdvertiseAddrWAN is %v, not %v", got, wan)
	}

	entries, meta, err := client.Health().Service("consul", "", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Service.Port != agent.Config.Ports.Server {
		t.Fatalf("the service consul has %d passing instances, not this agent", len(entries))
	}
	node := entries[0].Node
	if node.Node != "here" || node.Meta["rack"] != "7" || node.Meta["consul-version"] == "" {
		t.Errorf("the node is %+v", node)
	}
	if _, has := node.Meta["consul-network-segment"]; !has {
		t.Errorf("the node has no consul-network-segment: %v", node.Meta)
	}
	if !meta.KnownLeader || meta.LastIndex < 2 {
		t.Errorf("the first answer has a leader: %v, and the index %d", meta.KnownLeader, meta.LastIndex)
	}
}

func TestSeveralAgentsRunSideBySide(t *testing.T) {
	t.Parallel()
	for number := range 3 {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			agent := start(t, nil)
			client := connect(t, &api.Config{Address: agent.HTTPAddr})
			own := fmt.Sprintf("service-%d", number)
			if err := client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: own}); err != nil {
				t.Fatal(err)
			}
			services := must[map[string]*api.AgentService](t)(client.Agent().Services())
			if len(services) != 1 || services[own] == nil {
				t.Errorf("agent %d has the services %v", number, services)
			}
		})
	}
}

func TestAnAgentListensOnAUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "http.sock")
	agent := start(t, func(config *testutil.TestServerConfig) {
		config.Addresses.HTTP = "unix://" + socket
	})
	client := connect(t, &api.Config{Address: agent.HTTPAddr})
	if name := must[string](t)(client.Agent().NodeName()); name != agent.Config.NodeName {
		t.Errorf("the node is %q, not %q", name, agent.Config.NodeName)
	}
	tcp := fmt.Sprintf("127.0.0.1:%d", agent.Config.Ports.HTTP)
	if connection, err := net.Dial("tcp", tcp); err == nil {
		connection.Close()
		t.Error("it listens on the HTTP port as well")
	}
}

func TestAnAgentSpeaksGRPCAtItsPort(t *testing.T) {
	t.Parallel()
	agent := start(t, nil)
	address := fmt.Sprintf("127.0.0.1:%d", agent.Config.Ports.GRPC)
	connection := must[*grpc.ClientConn](t)(grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer connection.Close()
	health := grpc_health_v1.NewHealthClient(connection)
	answer, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("it says %v, %v", answer, err)
	}
}

func TestReloadReadsTheFilesAgain(t *testing.T) {
	t.Parallel()
	extra := filepath.Join(t.TempDir(), "extra.json")
	write := func(text string) {
		if err := os.WriteFile(extra, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	agent := start(t, func(config *testutil.TestServerConfig) {
		config.Args = []string{"-config-file", extra}
	})
	client := connect(t, &api.Config{Address: agent.HTTPAddr})
	write(`{"service": {"name": "redis", "port": 1234, "Meta": {"some": "meta"}}}`)
	if err := client.Agent().Reload(); err != nil {
		t.Fatal(err)
	}
	service := must[map[string]*api.AgentService](t)(client.Agent().Services())["redis"]
	if service == nil || service.Port != 1234 || service.Meta["some"] != "meta" {
		t.Fatalf("after reload the service is %+v", service)
	}
	write(`{"service": `)
	if err := client.Agent().Reload(); err == nil {
		t.Error("a broken file was taken")
	}
}

func TestTheVersionIsToldAsJSON(t *testing.T) {
	t.Parallel()
	printed := must[[]byte](t)(exec.Command("consul", "version", "-format=json").Output())
	var version struct{ Version string }
	if err := json.Unmarshal(printed, &version); err != nil || version.Version == "" {
		t.Errorf("%q: %v", printed, err)
	}
}

func TestWhatIsNotUnderstoodIsAnErrorOnStderr(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.json")
	for _, arguments := range [][]string{{}, {"join"}, {"agent"}, {"agent", "-config-file", missing}} {
		command := exec.Command("consul", arguments...)
		var stderr bytes.Buffer
		command.Stderr = &stderr
		if err := command.Run(); err == nil || stderr.Len() == 0 {
			t.Errorf("consul %v: %v, %q", arguments, err, stderr.String())
		}
	}
}
