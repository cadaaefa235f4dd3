package consul

import (
	"net/http"
	"os"
	"testing"

	"github.com/hashicorp/consul/api"
)

// An unmodified client asks for fallback by the prefix of its paths; whoever speaks HTTP by a parameter.
func TestATagFallsBackToTheNamespace(t *testing.T) {
	address := os.Getenv(api.HTTPAddrEnvName)
	falling, err := api.NewClient(&api.Config{Address: address, PathPrefix: "/fallback"})
	must(t, err)
	c, service := client(t), name(t, "")
	base, canary := service+"-base", service+"-canary"
	register(t, c, service, base)
	register(t, c, service, canary, "canary")
	say := func(id, status string) { must(t, c.Agent().UpdateTTL("service:"+id, "", status)) }

	expect := func(what, tag, want, matched string) {
		t.Helper()
		entries, _, err := falling.Health().Service(service, tag, true, nil)
		must(t, err)
		if ids(entries) != want {
			t.Errorf("%s: %q, not %q", what, ids(entries), want)
		}
		answer, err := http.Get("http://" + address + "/v1/health/service/" + service + "?fallback&passing&tag=" + tag)
		must(t, err)
		answer.Body.Close()
		if got := answer.Header.Get("X-Golens-Matched"); got != matched {
			t.Errorf("%s: it matched by %q, not %q", what, got, matched)
		}
	}
	expect("the tag is there", "canary", canary, "tag")
	expect("nobody has the tag", "legacy", base+" "+canary, "namespace")
	say(canary, api.HealthWarning)
	expect("the tag does not pass", "canary", base, "namespace")
	say(base, api.HealthCritical)
	expect("nobody passes", "canary", base+" "+canary, "panic")
	// Without the prefix a tag is what it is in Consul.
	entries, _, err := c.Health().Service(service, "legacy", true, nil)
	must(t, err)
	if ids(entries) != "" {
		t.Errorf("a tag that nobody has is %q", ids(entries))
	}
	// A poll is woken as any other.
	_, meta, err := falling.Health().Service(service, "canary", true, nil)
	must(t, err)
	say(canary, api.HealthPassing)
	entries, _, err = falling.Health().Service(service, "canary", true, &api.QueryOptions{WaitIndex: meta.LastIndex})
	must(t, err)
	if ids(entries) != canary {
		t.Errorf("after the poll it is %q", ids(entries))
	}
}
