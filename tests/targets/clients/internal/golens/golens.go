// Package golens starts a registry for one test.
package golens

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"
)

// Registry is a running `golens registry serve`.
type Registry struct {
	// Consul is the address of the Consul API, HOST:PORT.
	Consul string
	// DNS is the address of DNS, HOST:PORT.
	DNS string
	// Client is a client of the Consul API.
	Client *api.Client
}

// Start starts the program that GOLENS names on a free port; it has to end with status 0 when the test does.
func Start(t *testing.T) *Registry {
	t.Helper()
	command := exec.Command(os.Getenv("GOLENS"), "registry", "serve",
		"--data", t.TempDir(), "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--no-grpc", "--node", "node-1")
	stderr, err := command.StderrPipe()
	Must(t, err)
	if err := command.Start(); err != nil {
		t.Fatalf("GOLENS names no program: %v", err)
	}
	messages := bufio.NewScanner(stderr)
	registry := &Registry{Consul: address(t, messages, "http://"), DNS: address(t, messages, "dns://")}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for messages.Scan() {
		}
	}()
	t.Cleanup(func() {
		Must(t, command.Process.Signal(syscall.SIGTERM))
		<-drained
		if err := command.Wait(); err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	})
	registry.Client, err = api.NewClient(&api.Config{Address: registry.Consul})
	Must(t, err)
	return registry
}

// address reads messages until one tells an address with this scheme.
func address(t *testing.T, messages *bufio.Scanner, scheme string) string {
	t.Helper()
	var printed []string
	for messages.Scan() {
		printed = append(printed, messages.Text())
		if _, found, ok := strings.Cut(messages.Text(), "address="+scheme); ok {
			return strings.TrimSpace(found)
		}
	}
	t.Fatalf("no address was told: %v", printed)
	return ""
}

// Must ends the test when something failed that should not.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
