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

	data    string
	command *exec.Cmd
}

// Start starts the program that GOLENS names on free ports; it ends with the test.
func Start(t *testing.T) *Node {
	t.Helper()
	node := &Node{HTTP: "127.0.0.1:0", DNS: "127.0.0.1:0", GRPC: "127.0.0.1:0", data: t.TempDir()}
	node.start(t)
	t.Cleanup(func() { node.Kill(t) })
	return node
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
	n.command = exec.Command(os.Getenv("GOLENS"), "registry", "serve", "--node", "node-1", "--data", n.data,
		"--http", n.HTTP, "--dns", n.DNS, "--grpc", n.GRPC, "--dns-zone", "consul", "--dns-zone", "cluster.local")
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
