package consul

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
)

func register(t *testing.T, c *api.Client, service, id string, tags ...string) {
	t.Helper()
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: id, Name: service, Tags: tags, Meta: map[string]string{"version": id},
		Check: &api.AgentServiceCheck{TTL: "120s", Status: api.HealthPassing},
	}))
	t.Cleanup(func() { c.Agent().ServiceDeregister(id) })
}

func TestTagsAndFiltersChooseInstances(t *testing.T) {
	c := client(t)
	service := name(t, "")
	a, b := service+"-a", service+"-b"
	register(t, c, service, a, "v1", "blue")
	register(t, c, service, b, "v1", "green")
	for want, tags := range map[string][]string{
		a + " " + b: {"v1"}, a: {"v1", "blue"}, "": {"blue", "green"},
	} {
		entries, _, err := c.Health().ServiceMultipleTags(service, tags, true, nil)
		must(t, err)
		if ids(entries) != want {
			t.Fatalf("tags %v: %q, want %q", tags, ids(entries), want)
		}
	}
	for filter, want := range map[string]string{
		"Service.Meta.version == `" + b + "`":                      b,
		"blue in Service.Tags":                                     a,
		"Service.Tags contains green and Checks.Status == passing": b,
		"Node.Meta[\"consul-version\"] is empty":                   "",
		"Service.ID matches `-[ab]$`":                              a + " " + b,
		"Service.ID not matches `a$` or Service.Port != 0":         b,
	} {
		entries, _, err := c.Health().Service(service, "", false, &api.QueryOptions{Filter: filter})
		must(t, err)
		if ids(entries) != want {
			t.Fatalf("filter %q: %q, want %q", filter, ids(entries), want)
		}
	}
	_, _, err := c.Health().Service(service, "", false, &api.QueryOptions{Filter: "Nope == 1"})
	refused(t, err, 400, `Selector "Nope" is not valid`)
	services, _, err := c.Catalog().Services(nil)
	must(t, err)
	if strings.Join(services[service], " ") != "blue green v1" {
		t.Fatalf("tags %v", services[service])
	}
	catalog, _, err := c.Catalog().Service(service, "blue", nil)
	must(t, err)
	if len(catalog) != 1 || catalog[0].ServiceID != a {
		t.Fatalf("catalog %+v", catalog)
	}
}

// A long poll on a service that does not exist holds until it does, whatever else is written meanwhile.
func TestAPollIsWokenByItsOwnServiceOnly(t *testing.T) {
	c := client(t)
	service := name(t, "")
	_, meta, err := c.Health().Service(service, "", true, nil)
	must(t, err)
	type answer struct {
		entries []*api.ServiceEntry
		meta    *api.QueryMeta
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		entries, news, err := c.Health().Service(service, "", true, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute})
		answers <- answer{entries, news, err}
	}()
	for range 50 {
		register(t, c, service+"-other", service+"-other-1", time.Now().String())
	}
	select {
	case early := <-answers:
		t.Fatalf("woken by somebody else: %+v", early.meta)
	default:
	}
	register(t, c, service, service+"-1")
	select {
	case news := <-answers:
		must(t, news.err)
		if ids(news.entries) != service+"-1" || news.meta.LastIndex <= meta.LastIndex {
			t.Fatalf("got %q at %d, waited at %d", ids(news.entries), news.meta.LastIndex, meta.LastIndex)
		}
	case <-time.After(deadline):
		t.Fatal("not woken")
	}
}

func TestAPollThatTimesOutRepeatsItsIndex(t *testing.T) {
	c := client(t)
	service := name(t, "")
	register(t, c, service, service+"-1")
	_, meta, err := c.Health().Service(service, "", true, nil)
	must(t, err)
	began := time.Now()
	entries, again, err := c.Health().Service(service, "", true, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 200 * time.Millisecond})
	must(t, err)
	if ids(entries) != service+"-1" || again.LastIndex != meta.LastIndex {
		t.Fatalf("got %q at %d", ids(entries), again.LastIndex)
	}
	if time.Since(began) < 200*time.Millisecond {
		t.Fatal("answered before its time")
	}
}

// kratos cancels each of its polls after ten seconds.
func TestACancelledPollIsForgotten(t *testing.T) {
	c := client(t)
	service := name(t, "")
	_, meta, err := c.Health().Service(service, "", true, nil)
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	options := (&api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute}).WithContext(ctx)
	if _, _, err := c.Health().Service(service, "", true, options); err == nil {
		t.Fatal("answered without news")
	}
	register(t, c, service, service+"-1")
	entries, _, err := c.Health().Service(service, "", true, nil)
	must(t, err)
	if ids(entries) != service+"-1" {
		t.Fatalf("got %q", ids(entries))
	}
}

func TestAHashPollWaitsForTheContent(t *testing.T) {
	c := client(t)
	id := name(t, "")
	register(t, c, id, id, "one")
	service, meta, err := c.Agent().Service(id, nil)
	must(t, err)
	if service.ContentHash == "" || meta.LastContentHash != service.ContentHash {
		t.Fatalf("hash %q, header %q", service.ContentHash, meta.LastContentHash)
	}
	news := make(chan *api.AgentService, 1)
	go func() {
		changed, _, err := c.Agent().Service(id, &api.QueryOptions{WaitHash: service.ContentHash, WaitTime: time.Minute})
		if err == nil {
			news <- changed
		}
		close(news)
	}()
	register(t, c, id, id, "two")
	select {
	case changed := <-news:
		if changed == nil || changed.Tags[0] != "two" {
			t.Fatalf("got %+v", changed)
		}
	case <-time.After(deadline):
		t.Fatal("not woken")
	}
}

func TestWatchPlansSeeEveryChange(t *testing.T) {
	c := client(t)
	service := name(t, "")
	for _, params := range []map[string]any{
		{"type": "service", "service": service},
		{"type": "services"},
		{"type": "checks", "service": service},
	} {
		t.Run(params["type"].(string), func(t *testing.T) {
			plan, err := watch.Parse(params)
			must(t, err)
			seen := make(chan bool, 64)
			plan.Handler = func(_ uint64, found any) {
				switch found := found.(type) {
				case []*api.ServiceEntry:
					seen <- len(found) == 1
				case map[string][]string:
					_, is := found[service]
					seen <- is
				case []*api.HealthCheck:
					seen <- len(found) == 1
				}
			}
			ended := make(chan error, 1)
			go func() { ended <- plan.RunWithClientAndHclog(c, nil) }()
			await(t, seen, false)
			register(t, c, service, service+"-1")
			await(t, seen, true)
			must(t, c.Agent().ServiceDeregister(service+"-1"))
			await(t, seen, false)
			plan.Stop()
			must(t, <-ended)
		})
	}
}

// await waits until want is seen.
func await(t *testing.T, seen <-chan bool, want bool) {
	t.Helper()
	late := time.After(deadline)
	for {
		select {
		case is := <-seen:
			if is == want {
				return
			}
		case <-late:
			t.Fatalf("never %v", want)
		}
	}
}

func TestTheCatalogTakesNodesThatHaveNoAgent(t *testing.T) {
	c := client(t)
	node := name(t, "")
	_, err := c.Catalog().Register(&api.CatalogRegistration{
		Node: node, Address: "10.0.0.9", NodeMeta: map[string]string{"os": "linux"},
		Service: &api.AgentService{ID: node + "-db", Service: node + "-db", Port: 5432},
		Checks: api.HealthChecks{
			{Node: node, CheckID: node + "-alive", Name: "alive", Status: api.HealthPassing},
			{Node: node, CheckID: node + "-db", Name: "db", Status: api.HealthWarning, ServiceID: node + "-db"},
		},
	}, nil)
	must(t, err)
	found, _, err := c.Catalog().Node(node, nil)
	must(t, err)
	if found == nil || found.Node.Meta["os"] != "linux" || found.Services[node+"-db"].Port != 5432 {
		t.Fatalf("found %+v", found)
	}
	checks, _, err := c.Health().Node(node, nil)
	must(t, err)
	if len(checks) != 2 {
		t.Fatalf("checks %+v", checks)
	}
	entries, _, err := c.Health().Service(node+"-db", "", false, &api.QueryOptions{NodeMeta: map[string]string{"os": "linux"}})
	must(t, err)
	if len(entries) != 1 || entries[0].Node.Address != "10.0.0.9" || entries[0].Checks.AggregatedStatus() != api.HealthWarning {
		t.Fatalf("entries %+v", entries)
	}
	_, err = c.Catalog().Deregister(&api.CatalogDeregistration{Node: node}, nil)
	must(t, err)
	found, _, err = c.Catalog().Node(node, nil)
	must(t, err)
	if found != nil {
		t.Fatalf("still %+v", found)
	}
}

func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	for path, want := range map[string]int{
		"/v1/kv/x?index=-1": 400, "/v1/kv/x?wait=soon": 400, "/v1/kv/x?wait=10": 400,
		"/v1/health/service/x?passing=maybe": 400, "/v1/health/service/x?filter=(": 400,
		"/v1/health/service/x?stale&consistent": 400, "/v1/catalog/nodes?dc=elsewhere": 500,
	} {
		answer := get(t, path)
		text, err := io.ReadAll(answer.Body)
		must(t, err)
		if answer.StatusCode != want || len(text) == 0 {
			t.Errorf("%s: %d %q, want %d", path, answer.StatusCode, text, want)
		}
	}
}
