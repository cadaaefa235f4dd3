// Command walkthrough uses a node's registry as a service in production does, with Consul's own client and
// Go's own resolver: it registers, is checked, is found, watches, changes tags, keeps to its namespace, takes
// a lock, and leaves. It prints a line for each step that went as it should, and fails at the first that
// does not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	service  = "api"
	patience = 10 * time.Second
)

func main() {
	consul := flag.String("consul", "127.0.0.1:8500", "address of the node's registry")
	dns := flag.String("dns", "127.0.0.1:8600", "address of its DNS")
	flag.Parse()
	if err := run(*consul, *dns); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// walk is one service with its connection to the registry.
type walk struct {
	client *api.Client
	dns    string
	port   int
}

func run(consul, dns string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {})
	go http.Serve(listener, nil)
	config := api.DefaultConfig()
	config.Address = consul
	// Longer than the longest wait of a watch.
	config.HttpClient = &http.Client{Timeout: time.Minute}
	client, err := api.NewClient(config)
	if err != nil {
		return err
	}
	w := walk{client, dns, listener.Addr().(*net.TCPAddr).Port}
	fmt.Fprintf(os.Stderr, "listening %s pid %d\n", listener.Addr(), os.Getpid())
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"registers with an HTTP check", w.register},
		{"is found when the check passes", w.discovered},
		{"reports by itself with a TTL check", w.heartbeats},
		{"sees a tag change in a watch", w.watches},
		{"keeps namespaces apart", w.namespaces},
		{"is found by DNS SRV without a client", w.srv},
		{"leads by a lock, and no other does", w.locks},
		{"stores settings with check-and-set", w.settings},
		{"leaves", w.leaves},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Println(step.name)
	}
	return nil
}

func (w walk) register() error {
	return w.client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: "api-1", Name: service, Address: "127.0.0.1", Port: w.port, Tags: []string{"grpc"},
		Check: &api.AgentServiceCheck{
			HTTP:     fmt.Sprintf("http://127.0.0.1:%d/health", w.port),
			Interval: "1s", Timeout: "2s", DeregisterCriticalServiceAfter: "30s",
		},
	})
}

func (w walk) discovered() error {
	return w.await(service, "", nil, func(found []*api.ServiceEntry) error {
		if len(found) != 1 || found[0].Service.ID != "api-1" || found[0].Service.Port != w.port {
			return fmt.Errorf("found %v", ids(found))
		}
		return nil
	})
}

func (w walk) heartbeats() error {
	agent := w.client.Agent()
	if err := agent.ServiceRegister(&api.AgentServiceRegistration{
		ID: "api-2", Name: service, Address: "127.0.0.1", Port: w.port + 1,
		Check: &api.AgentServiceCheck{TTL: "10s"},
	}); err != nil {
		return err
	}
	if err := agent.UpdateTTL("service:api-2", "busy", api.HealthPassing); err != nil {
		return err
	}
	return w.await(service, "", nil, exactly("api-1", "api-2"))
}

// watches holds a poll open, changes tags meanwhile, and wants the poll to end with the change.
func (w walk) watches() error {
	_, meta, err := w.client.Health().Service(service, "canary", true, nil)
	if err != nil {
		return err
	}
	news := make(chan error, 1)
	go func() {
		found, _, err := w.client.Health().Service(service, "canary", true,
			&api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: patience})
		if err == nil {
			err = exactly("api-2")(found)
		}
		news <- err
	}()
	if err := w.client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: "api-2", Name: service, Address: "127.0.0.1", Port: w.port + 1, Tags: []string{"canary"},
	}); err != nil {
		return err
	}
	return <-news
}

func (w walk) namespaces() error {
	if err := w.client.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: "api-3", Name: service, Namespace: "staging", Address: "127.0.0.1", Port: w.port + 2,
	}); err != nil {
		return err
	}
	staging := &api.QueryOptions{Namespace: "staging"}
	if err := w.await(service, "", staging, exactly("api-3")); err != nil {
		return err
	}
	return w.await(service, "", nil, exactly("api-1", "api-2"))
}

func (w walk) srv() error {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", w.dns)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, records, err := resolver.LookupSRV(ctx, "grpc", "tcp", "api.default.svc.cluster.local.")
	if err != nil {
		return err
	}
	ports := map[uint16]bool{}
	for _, record := range records {
		ports[record.Port] = true
	}
	if len(records) != 2 || !ports[uint16(w.port)] || !ports[uint16(w.port+1)] {
		return fmt.Errorf("records %v", records)
	}
	return nil
}

func (w walk) locks() error {
	lock, err := w.client.LockKey("leader/api")
	if err != nil {
		return err
	}
	lost, err := lock.Lock(nil)
	if err != nil || lost == nil {
		return fmt.Errorf("the first did not lead: %w", err)
	}
	other, err := w.client.LockOpts(&api.LockOptions{
		Key: "leader/api", LockTryOnce: true, LockWaitTime: 100 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	if second, err := other.Lock(nil); err != nil || second != nil {
		return fmt.Errorf("two lead: %v", err)
	}
	return lock.Unlock()
}

func (w walk) settings() error {
	kv := w.client.KV()
	first := &api.KVPair{Key: "config/api", Value: []byte("a: 1")}
	if done, _, err := kv.CAS(first, nil); err != nil || !done {
		return fmt.Errorf("not created: %v", err)
	}
	if done, _, err := kv.CAS(first, nil); err != nil || done {
		return fmt.Errorf("created twice: %v", err)
	}
	stored, _, err := kv.Get("config/api", nil)
	if err != nil {
		return err
	}
	stored.Value = []byte("a: 2")
	if done, _, err := kv.CAS(stored, nil); err != nil || !done {
		return fmt.Errorf("not changed: %v", err)
	}
	return nil
}

func (w walk) leaves() error {
	for _, id := range []string{"api-1", "api-2"} {
		if err := w.client.Agent().ServiceDeregister(id); err != nil {
			return err
		}
	}
	return w.await(service, "", nil, func(found []*api.ServiceEntry) error {
		for _, entry := range found {
			if entry.Service.ID == "api-1" || entry.Service.ID == "api-2" {
				return errors.New(entry.Service.ID + " is still there")
			}
		}
		return nil
	})
}

// await asks again with each change until check is content.
func (w walk) await(
	service, tag string, options *api.QueryOptions, check func([]*api.ServiceEntry) error,
) error {
	var asked api.QueryOptions
	if options != nil {
		asked = *options
	}
	asked.WaitTime = time.Second
	deadline := time.Now().Add(patience)
	for {
		found, meta, err := w.client.Health().Service(service, tag, true, &asked)
		if err == nil {
			err = check(found)
		}
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if meta != nil {
			asked.WaitIndex = meta.LastIndex
		}
	}
}

func exactly(wanted ...string) func([]*api.ServiceEntry) error {
	return func(found []*api.ServiceEntry) error {
		if got := ids(found); fmt.Sprint(got) != fmt.Sprint(wanted) {
			return errors.New("found " + strconv.Quote(fmt.Sprint(got)))
		}
		return nil
	}
}

func ids(found []*api.ServiceEntry) []string {
	var ids []string
	for _, entry := range found {
		ids = append(ids, entry.Service.ID)
	}
	return ids
}
