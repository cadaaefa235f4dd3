// Package prometheus runs Prometheus' own Consul discovery, the code behind consul_sd_configs, against golens.
package prometheus

import (
	"context"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/consul"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"golens.test/targets/clients/internal/golens"
)

// deadline bounds every wait for something that is expected to happen.
const deadline = 30 * time.Second

// discover runs the discovery until the test ends, and returns what it finds.
func discover(t *testing.T, change func(*consul.SDConfig)) <-chan []*targetgroup.Group {
	t.Helper()
	config := consul.DefaultSDConfig
	config.RefreshInterval = model.Duration(50 * time.Millisecond)
	change(&config)
	names := prometheus.NewRegistry()
	metrics := config.NewDiscovererMetrics(names, discovery.NewRefreshMetrics(names))
	golens.Must(t, metrics.Register())
	discoverer, err := config.NewDiscoverer(discovery.DiscovererOptions{Logger: promslog.NewNopLogger(), Metrics: metrics})
	golens.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	groups, ended := make(chan []*targetgroup.Group), make(chan struct{})
	go func() {
		defer close(ended)
		discoverer.Run(ctx, groups)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return groups
}

// wait follows the discovery until the targets of all services are these, separated by spaces. What was said of
// services is in known.
func wait(t *testing.T, groups <-chan []*targetgroup.Group, known map[string]*targetgroup.Group, want string) {
	t.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case news := <-groups:
			for _, group := range news {
				known[group.Source] = group
			}
		case <-timeout:
			t.Fatalf("not found: %s; known: %v", want, known)
		}
		var addresses []string
		for _, group := range known {
			for _, target := range group.Targets {
				addresses = append(addresses, string(target[model.AddressLabel]))
			}
		}
		sort.Strings(addresses)
		if strings.Join(addresses, " ") == want {
			return
		}
	}
}

func TestTargetsComeAndGoWithTheirRegistrations(t *testing.T) {
	server := golens.Start(t)
	agent := server.Client.Agent()
	golens.Must(t, agent.ServiceRegister(&api.AgentServiceRegistration{
		ID: "web-1", Name: "web", Address: "10.0.0.1", Port: 81, Tags: []string{"v1", "metrics"}, Meta: map[string]string{"path": "/m"},
	}))
	groups := discover(t, func(config *consul.SDConfig) {
		config.Server = server.Consul
		config.ServiceTags = []string{"metrics"}
	})
	known := map[string]*targetgroup.Group{}
	wait(t, groups, known, "10.0.0.1:81")
	labels := known["web"].Targets[0].Merge(known["web"].Labels)
	for label, want := range map[model.LabelName]model.LabelValue{
		"__meta_consul_service": "web", "__meta_consul_service_id": "web-1", "__meta_consul_node": "node-1",
		"__meta_consul_tags": ",v1,metrics,", "__meta_consul_service_metadata_path": "/m", "__meta_consul_dc": "dc1",
		"__meta_consul_health": "passing",
	} {
		if labels[label] != want {
			t.Errorf("%s is %q, not %q", label, labels[label], want)
		}
	}

	golens.Must(t, agent.ServiceRegister(&api.AgentServiceRegistration{
		ID: "api-1", Name: "api", Address: "10.0.0.2", Port: 82, Tags: []string{"metrics"},
	}))
	golens.Must(t, agent.ServiceRegister(&api.AgentServiceRegistration{Name: "quiet", Address: "10.0.0.3", Port: 83}))
	wait(t, groups, known, "10.0.0.1:81 10.0.0.2:82")
	golens.Must(t, agent.ServiceDeregister("web-1"))
	wait(t, groups, known, "10.0.0.2:82")
}
