// Command orders is a service that lives in the registry of its node: it registers itself with three checks, sends
// heartbeats, changes a tag while it runs, and takes itself out when it is told to end.
//
// It knows nothing of golens: hashicorp/consul/api, unmodified, finds the node's registry at CONSUL_HTTP_ADDR.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"
)

// removeAfter is how long an instance may stay critical. Consul itself makes a minute of it.
const removeAfter = "30s"

// heartbeat is the time between two of them; the registry allows three times that.
const heartbeat = 5 * time.Second

// orders is one instance.
type orders struct {
	registry *api.Client
	// registered counts how often it had to register.
	registered atomic.Int64

	lock     sync.Mutex
	instance api.AgentServiceRegistration
}

func main() {
	id := flag.String("id", "orders-1", "id of this instance")
	namespace := flag.String("namespace", "default", "dev, staging, prod: fixed while it runs")
	tags := flag.String("tags", "", "tags to begin with, with commas between them; POST /tags replaces them")
	flag.Parse()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	service, err := newOrders(*id, *namespace, *tags, listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(listener, service.handler())) }()
	if err := service.register(); err != nil {
		log.Fatalf("cannot register: %v", err)
	}
	fmt.Printf("%s listens on %s\n", *id, listener.Addr())
	service.runUntilTold()
}

func newOrders(id, namespace, tags string, port int) (*orders, error) {
	config := api.DefaultConfig()
	config.HttpClient = &http.Client{Timeout: 5 * time.Second}
	config.Namespace = namespace
	registry, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	return &orders{registry: registry, instance: api.AgentServiceRegistration{
		ID: id, Name: "orders", Address: "127.0.0.1", Port: port, Tags: split(tags),
		Checks: api.AgentServiceChecks{
			{
				CheckID: id + "-http", HTTP: "http://" + address + "/health",
				Interval: "10s", Timeout: "2s", DeregisterCriticalServiceAfter: removeAfter,
			},
			{
				CheckID: id + "-tcp", TCP: address,
				Interval: "10s", Timeout: "2s", DeregisterCriticalServiceAfter: removeAfter,
			},
			{
				CheckID: id + "-heartbeat", TTL: (3 * heartbeat).String(), Status: api.HealthPassing,
				DeregisterCriticalServiceAfter: removeAfter,
			},
		},
	}}, nil
}

func split(tags string) []string {
	if tags == "" {
		return nil
	}
	return strings.Split(tags, ",")
}

func (o *orders) register() error {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.registered.Add(1)
	return o.registry.Agent().ServiceRegister(&o.instance)
}

func (o *orders) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, o.instance.ID) })
	mux.HandleFunc("GET /registrations", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, o.registered.Load()) })
	mux.HandleFunc("POST /tags", o.setTags)
	return mux
}

// setTags registers the instance with other tags. Its checks are not named, so they stay as they are.
func (o *orders) setTags(w http.ResponseWriter, r *http.Request) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.instance.Tags = split(r.URL.Query().Get("tags"))
	changed := o.instance
	changed.Checks = nil
	if err := o.registry.Agent().ServiceRegister(&changed); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// runUntilTold sends heartbeats until a signal comes, then takes the instance out.
func (o *orders) runUntilTold() {
	told, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-told.Done():
			if err := o.registry.Agent().ServiceDeregister(o.instance.ID); err != nil {
				log.Printf("cannot deregister: %v", err)
			}
			return
		case <-beat.C:
			o.beat()
		}
	}
}

// beat says that all is well. A registry that does not know the check lost the instance: it is registered again.
// One that cannot be reached is asked again with the next beat.
func (o *orders) beat() {
	err := o.registry.Agent().UpdateTTL(o.instance.ID+"-heartbeat", "", api.HealthPassing)
	var answered api.StatusError
	if errors.As(err, &answered) && answered.Code == http.StatusNotFound {
		err = o.register()
	}
	if err != nil {
		log.Printf("no heartbeat: %v", err)
	}
}
