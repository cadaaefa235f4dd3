// Package node starts golens' registry for one test, and can kill it and start it again where it was.
package node

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Node is the registry of one node.
type Node struct {
	// HTTP, DNS and GRPC are its addresses, HOST:PORT.
	HTTP, DNS, GRPC string
	// GRPCS is that of gRPC with encryption; none is served where it is empty.
	GRPCS string

	data    string
	further []string
	command *exec.Cmd
}

// New makes the folder of one that does not run yet.
func New(t *testing.T) *Node {
	t.Helper()
	return &Node{HTTP: "127.0.0.1:0", DNS: "127.0.0.1:0", GRPC: "127.0.0.1:0", data: t.TempDir()}
}

// Start starts the program that GOLENS names on free ports; it ends with the test.
func Start(t *testing.T) *Node {
	t.Helper()
	node := New(t)
	node.Run(t)
	return node
}

// Run starts it with further arguments; it ends with the test.
func (n *Node) Run(t *testing.T, further ...string) {
	t.Helper()
	n.further = further
	n.start(t)
	t.Cleanup(func() { n.Kill(t) })
}

// Token makes a token while it does not run, and returns its secret.
func (n *Node) Token(t *testing.T, namespace, rights string) string {
	t.Helper()
	command := exec.Command(os.Getenv("GOLENS"), "registry", "token", "create", "--data", n.data,
		"--namespace", namespace, "--rights", rights)
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("no token: %v", err)
	}
	fields := strings.Fields(string(printed))
	if len(fields) < 2 || fields[0] != "secret" {
		t.Fatalf("no secret in %q", printed)
	}
	return fields[1]
}

// Kill ends it as a power failure would.
func (n *Node) Kill(t *testing.T) {
	t.Helper()
	if err := n.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = n.command.Wait() // It says that it was killed.
}

// Restart starts it on the same folder and the same addresses.
func (n *Node) Restart(t *testing.T) {
	t.Helper()
	n.start(t)
}

func (n *Node) start(t *testing.T) {
	t.Helper()
	arguments := []string{"registry", "serve", "--node", "node-1", "--data", n.data,
		"--http", n.HTTP, "--dns", n.DNS, "--grpc", n.GRPC, "--dns-zone", "consul", "--dns-zone", "cluster.local"}
	if n.GRPCS != "" {
		arguments = append(arguments, "--grpc-tls", n.GRPCS)
	}
	n.command = exec.Command(os.Getenv("GOLENS"), append(arguments, n.further...)...)
	messages, err := n.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.command.Start(); err != nil {
		t.Fatalf("GOLENS names no program: %v", err)
	}
	n.learn(t, bufio.NewReader(messages))
}

// learn reads the addresses from its messages, and leaves the rest to nobody.
func (n *Node) learn(t *testing.T, messages *bufio.Reader) {
	t.Helper()
	wanted := map[string]*string{"http://": &n.HTTP, "dns://": &n.DNS, "grpc+http://": &n.GRPC}
	if n.GRPCS != "" {
		wanted["grpc+https://"] = &n.GRPCS
	}
	var printed strings.Builder
	for len(wanted) > 0 {
		line, err := messages.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended: %s%s", printed.String(), line)
		}
		printed.WriteString(line)
		for scheme, address := range wanted {
			if _, found, ok := strings.Cut(line, "address="+scheme); ok {
				*address = strings.TrimSpace(found)
				delete(wanted, scheme)
			}
		}
	}
	go func() { _, _ = io.Copy(io.Discard, messages) }()
}
