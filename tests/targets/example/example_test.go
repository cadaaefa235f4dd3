// Package example is chapter and verse of a registry: services that register themselves, find each other, move by
// namespace and tag, and outlive their registry. All clients are unmodified: hashicorp/consul/api, Go's resolver,
// grpc-go with code that protoc made. GOLENS names the program under test.
package example

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"golens.test/targets/example/discovery"
	"golens.test/targets/example/internal/node"
	pb "golens.test/targets/example/internal/registrypb"
)

// patience bounds everything that is expected to happen. A killed instance is critical after at most one interval of
// its checks, 10 s, and removed 30 s later.
const patience = 90 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until what is seen is what is wanted.
func eventually(t *testing.T, what, want string, see func() string) {
	t.Helper()
	seen := see()
	for end := time.Now().Add(patience); seen != want; seen = see() {
		if time.Now().After(end) {
			t.Fatalf("%s: %s, not %s", what, seen, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// instance is a process of the command orders.
type instance struct {
	command *exec.Cmd
	address string
}

// world is a registry and the programs around it.
type world struct {
	node    *node.Node
	program string
	prod    *api.Client
	grpc    pb.RegistryClient
}

func newWorld(t *testing.T) *world {
	t.Helper()
	program := filepath.Join(t.TempDir(), "orders")
	if printed, err := exec.Command("go", "build", "-o", program, "./orders").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	n := node.Start(t)
	connection, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	return &world{node: n, program: program, prod: client(t, n, "prod"), grpc: pb.NewRegistryClient(connection)}
}

func client(t *testing.T, n *node.Node, namespace string) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: n.HTTP, Namespace: namespace})
	must(t, err)
	return c
}

// orders starts an instance and waits until it has registered.
func (w *world) orders(t *testing.T, id, namespace, tags string) *instance {
	t.Helper()
	command := exec.Command(w.program, "-id", id, "-namespace", namespace, "-tags", tags)
	command.Env = append(command.Environ(), api.HTTPAddrEnvName+"="+w.node.HTTP)
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill() // It may have ended.
		_ = command.Wait()
	})
	var address string
	_, err = fmt.Fscanf(output, id+" listens on %s\n", &address)
	must(t, err)
	return &instance{command, address}
}

func (i *instance) get(t *testing.T, path string) string {
	t.Helper()
	answer, err := http.Get("http://" + i.address + path)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return string(text)
}

// resolve asks golens' own protocol who may serve a call with this tag.
func (w *world) resolve(t *testing.T, tag string) string {
	t.Helper()
	answer, err := w.grpc.Resolve(t.Context(), &pb.ResolveRequest{Namespace: "prod", Service: "orders", Tags: []string{tag}})
	must(t, err)
	ids := []string{}
	for _, found := range answer.GetInstances() {
		ids = append(ids, found.GetId().GetId())
	}
	return fmt.Sprint(answer.GetMatched(), " ", strings.Join(ids, " "))
}

// places are the ports that Go's resolver finds, sorted.
func (w *world) places(t *testing.T, name string) string {
	t.Helper()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.node.DNS)
	}}
	_, found, err := resolver.LookupSRV(t.Context(), "grpc", "tcp", name)
	must(t, err)
	ports := []string{}
	for _, place := range found {
		ports = append(ports, fmt.Sprint(place.Port))
	}
	slices.Sort(ports)
	return strings.Join(ports, " ")
}

func ports(instances ...*instance) string {
	found := []string{}
	for _, i := range instances {
		_, port, _ := net.SplitHostPort(i.address)
		found = append(found, port)
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

func TestServicesFindEachOtherAndOutliveTheirRegistry(t *testing.T) {
	w := newWorld(t)
	first := w.orders(t, "orders-1", "prod", "stable")
	second := w.orders(t, "orders-2", "prod", "stable")
	canary := w.orders(t, "orders-3", "prod", "canary-2024q3")
	w.orders(t, "orders-9", "staging", "stable")

	cache, err := discovery.Follow(t.Context(), w.prod, "orders")
	must(t, err)
	known := func(tag string) func() string {
		return func() string { return strings.Join(cache.Ids(tag), " ") }
	}
	eventually(t, "all checks pass", "orders-1 orders-2 orders-3", known(""))

	// Two dimensions: the namespace is a wall, the tag a wish.
	staging, _, err := client(t, w.node, "staging").Health().Service("orders", "", false, nil)
	must(t, err)
	if len(staging) != 1 || staging[0].Service.ID != "orders-9" {
		t.Fatalf("staging has %v", staging)
	}
	for tag, want := range map[string]string{
		"canary-2024q3": "MATCHED_TAG orders-3",
		"legacy":        "MATCHED_NAMESPACE orders-1 orders-2 orders-3",
	} {
		if got := w.resolve(t, tag); got != want {
			t.Errorf("%s: %s, not %s", tag, got, want)
		}
	}
	if got, want := w.places(t, "orders.prod.svc.cluster.local"), ports(first, second, canary); got != want {
		t.Errorf("SRV has %s, not %s", got, want)
	}

	// A tag changes while the instance runs, and whoever follows sees it.
	answer, err := http.Post("http://"+second.address+"/tags?tags=stable,debug-john", "", nil)
	must(t, err)
	answer.Body.Close()
	eventually(t, "the tag is seen", "orders-2", known("debug-john"))

	// The registry dies: callers go on from what they know. It comes back: nobody has to register again.
	w.node.Kill(t)
	eventually(t, "the caller notices", "true", func() string { return fmt.Sprint(cache.Failing()) })
	if got := known("")(); got != "orders-1 orders-2 orders-3" {
		t.Errorf("without a registry the caller knows %s", got)
	}
	w.node.Restart(t)
	eventually(t, "the caller is answered", "false", func() string { return fmt.Sprint(cache.Failing()) })
	eventually(t, "all are there", "orders-1 orders-2 orders-3", known(""))

	// One says goodbye, one is killed: it is removed after its 30 s, for good.
	must(t, second.command.Process.Signal(syscall.SIGTERM))
	must(t, second.command.Wait())
	eventually(t, "orders-2 is gone", "orders-1 orders-3", known(""))
	must(t, first.command.Process.Kill())
	eventually(t, "orders-1 is not well", "orders-3", known(""))
	eventually(t, "orders-1 is removed", "[orders-3]", func() string { return w.all(t) })
	if times := canary.get(t, "/registrations"); times != "1" {
		t.Errorf("orders-3 had to register %s times", times)
	}
}

// all lists the instances, well or not.
func (w *world) all(t *testing.T) string {
	t.Helper()
	found, _, err := w.prod.Health().Service("orders", "", false, nil)
	must(t, err)
	ids := []string{}
	for _, entry := range found {
		ids = append(ids, entry.Service.ID)
	}
	return fmt.Sprint(ids)
}
