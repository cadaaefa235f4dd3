// Package traefik runs Traefik's own provider for Consul's catalogue against golens.
package traefik

import (
	"context"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	ptypes "github.com/traefik/paerser/types"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/provider/consulcatalog"
	"github.com/traefik/traefik/v3/pkg/safe"

	"golens.test/targets/clients/internal/golens"
)

// deadline bounds every wait for something that is expected to happen.
const deadline = 30 * time.Second

// wait follows the provider until the load balancer of a service has these servers, separated by spaces.
func wait(t *testing.T, messages <-chan dynamic.Message, service, want string) *dynamic.Configuration {
	t.Helper()
	timeout := time.After(deadline)
	var servers []string
	for {
		select {
		case message := <-messages:
			servers = nil
			if found := message.Configuration.HTTP.Services[service]; found != nil {
				for _, server := range found.LoadBalancer.Servers {
					servers = append(servers, server.URL)
				}
			}
			sort.Strings(servers)
			if strings.Join(servers, " ") == want {
				return message.Configuration
			}
		case <-timeout:
			t.Fatalf("%s has the servers %v, not %s", service, servers, want)
		}
	}
}

func TestRoutersAndServersFollowTheCatalogue(t *testing.T) {
	server := golens.Start(t)
	agent := server.Client.Agent()
	register := func(id, address, status string) {
		golens.Must(t, agent.ServiceRegister(&api.AgentServiceRegistration{
			ID: id, Name: "whoami", Address: address, Port: 80,
			Tags:  []string{"traefik.enable=true", "traefik.http.routers.whoami.rule=Host(`whoami.local`)"},
			Check: &api.AgentServiceCheck{CheckID: "alive-" + id, TTL: "1h", Status: status},
		}))
	}
	register("whoami-1", "10.0.0.1", api.HealthPassing)
	for name, watch := range map[string]bool{"polling": false, "watching": true} {
		t.Run(name, func(t *testing.T) {
			builder := consulcatalog.ProviderBuilder{}
			builder.SetDefaults()
			builder.Endpoint.Address = server.Consul
			builder.ExposedByDefault = false
			builder.Watch = watch
			builder.RefreshInterval = ptypes.Duration(100 * time.Millisecond)
			provider := builder.BuildProviders()[0]
			golens.Must(t, provider.Init())
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			messages := make(chan dynamic.Message, 100)
			golens.Must(t, provider.Provide(messages, safe.NewPool(ctx)))

			found := wait(t, messages, "whoami", "http://10.0.0.1:80")
			if rule := found.HTTP.Routers["whoami"].Rule; rule != "Host(`whoami.local`)" {
				t.Errorf("the rule is %s", rule)
			}
			register("whoami-2", "10.0.0.2", api.HealthPassing)
			wait(t, messages, "whoami", "http://10.0.0.1:80 http://10.0.0.2:80")
			golens.Must(t, agent.UpdateTTL("alive-whoami-2", "gone", api.HealthCritical))
			wait(t, messages, "whoami", "http://10.0.0.1:80")
			golens.Must(t, agent.ServiceDeregister("whoami-2"))
		})
	}
}
