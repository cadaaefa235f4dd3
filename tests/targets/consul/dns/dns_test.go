// Package dns asks the DNS server at GOLENS_DNS, of a registry whose Consul API is at CONSUL_HTTP_ADDR, by Go's own
// resolver and by an independent implementation of DNS.
//
// The server answers for the zones consul and cluster.local. Each test uses names of its own.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/miekg/dns"
)

func server(t *testing.T) string {
	t.Helper()
	address := os.Getenv("GOLENS_DNS")
	if address == "" || os.Getenv(api.HTTPAddrEnvName) == "" {
		t.Fatalf("GOLENS_DNS or %s is not set", api.HTTPAddrEnvName)
	}
	return address
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T) *api.Client {
	t.Helper()
	c, err := api.NewClient(api.DefaultConfig())
	must(t, err)
	return c
}

func register(t *testing.T, services ...api.AgentServiceRegistration) {
	t.Helper()
	for _, service := range services {
		must(t, client(t).Agent().ServiceRegister(&service))
	}
}

// resolver is Go's own, and asks nobody but the server under test.
func resolver(t *testing.T) *net.Resolver {
	address := server(t)
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
}

// ask sends one question; change may turn it into another.
func ask(t *testing.T, network, name string, kind uint16, change func(*dns.Msg)) *dns.Msg {
	t.Helper()
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	if change != nil {
		change(question)
	}
	answer, _, err := (&dns.Client{Net: network}).Exchange(question, server(t))
	must(t, err)
	return answer
}

func hosts(t *testing.T, name string) string {
	t.Helper()
	found, err := resolver(t).LookupHost(context.Background(), name)
	must(t, err)
	sort.Strings(found)
	return strings.Join(found, " ")
}

func absent(t *testing.T, name string) {
	t.Helper()
	_, err := resolver(t).LookupHost(context.Background(), name)
	var failed *net.DNSError
	if !errors.As(err, &failed) || !failed.IsNotFound {
		t.Errorf("%s: %v", name, err)
	}
}

func TestAServiceIsFoundByNameTagAndNamespace(t *testing.T) {
	register(t,
		api.AgentServiceRegistration{ID: "web-1", Name: "web", Address: "10.0.0.1", Port: 81, Tags: []string{"v1", "a.b"}},
		api.AgentServiceRegistration{ID: "web-2", Name: "web", Address: "10.0.0.2", Port: 82, Tags: []string{"v2"}},
		api.AgentServiceRegistration{ID: "web-6", Name: "web", Address: "fd00::6", Port: 86, Tags: []string{"v6"}},
		api.AgentServiceRegistration{ID: "web-s", Name: "web", Address: "10.0.0.3", Port: 83, Namespace: "staging"},
	)
	for name, want := range map[string]string{
		"web.service.consul":                   "10.0.0.1 10.0.0.2 fd00::6",
		"web.service.dc1.consul":               "10.0.0.1 10.0.0.2 fd00::6",
		"v1.web.service.consul":                "10.0.0.1",
		"a.b.web.service.dc1.dc.consul":        "10.0.0.1",
		"v2.web.service.default.ns.consul":     "10.0.0.2",
		"web.service.staging.ns.consul":        "10.0.0.3",
		"web.service.staging.ns.dc1.dc.consul": "10.0.0.3",
		"web.service.staging.dc1.consul":       "10.0.0.3",
		"web.staging.svc.cluster.local":        "10.0.0.3",
		"WeB.SeRvIcE.cOnSuL":                   "10.0.0.1 10.0.0.2 fd00::6",
	} {
		if got := hosts(t, name); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
	for _, name := range []string{"v3.web.service.consul", "web.service.dc2.consul", "web.service.other.ns.consul", "nobody.service.consul", "web.consul"} {
		absent(t, name)
	}
}

func TestPlacesAreFoundByTheNamesOfRFC2782AndOfKubernetes(t *testing.T) {
	register(t,
		api.AgentServiceRegistration{
			ID: "api-1", Name: "api", Address: "10.0.1.1", Port: 80, Tags: []string{"v1"},
			TaggedAddresses: map[string]api.ServiceAddress{"grpc": {Address: "grpc://10.0.1.1:90", Port: 90}},
			Weights:         &api.AgentWeights{Passing: 7, Warning: 1},
		},
		api.AgentServiceRegistration{ID: "api-2", Name: "api", Port: 91, Tags: []string{"v2"}},
	)
	for _, question := range []struct {
		service, proto, name string
		want                 string
	}{
		{"grpc", "tcp", "api.default.svc.cluster.local", "0a000101.addr.dc1.cluster.local.:90:7 node-1.node.dc1.cluster.local.:91:1"},
		{"api", "v1", "consul", "0a000101.addr.dc1.consul.:80:7"},
		{"api", "v2", "service.consul", "node-1.node.dc1.consul.:91:1"},
		{"api", "tcp", "service.consul", "0a000101.addr.dc1.consul.:80:7 node-1.node.dc1.consul.:91:1"},
	} {
		_, places, err := resolver(t).LookupSRV(context.Background(), question.service, question.proto, question.name)
		must(t, err)
		var got []string
		for _, place := range places {
			if place.Priority != 1 {
				t.Errorf("the priority is %d", place.Priority)
			}
			got = append(got, fmt.Sprintf("%s:%d:%d", place.Target, place.Port, place.Weight))
		}
		sort.Strings(got)
		if strings.Join(got, " ") != question.want {
			t.Errorf("_%s._%s.%s is %v, not %s", question.service, question.proto, question.name, got, question.want)
		}
	}
	if got := hosts(t, "0a000101.addr.dc1.consul"); got != "10.0.1.1" {
		t.Errorf("the address is %s", got)
	}
	answer := ask(t, "udp", "api.service.consul", dns.TypeSRV, nil)
	if len(answer.Answer) != 2 || len(answer.Extra) != 2 {
		t.Errorf("beside %d places there are %d addresses", len(answer.Answer), len(answer.Extra))
	}
}

func TestCriticalInstancesAndThoseInMaintenanceAreLeftOut(t *testing.T) {
	check := func(status string) *api.AgentServiceCheck {
		return &api.AgentServiceCheck{TTL: "1h", Status: status}
	}
	register(t,
		api.AgentServiceRegistration{ID: "ill-1", Name: "ill", Address: "10.0.2.1", Check: check(api.HealthPassing)},
		api.AgentServiceRegistration{ID: "ill-2", Name: "ill", Address: "10.0.2.2", Check: check(api.HealthWarning)},
		api.AgentServiceRegistration{ID: "ill-3", Name: "ill", Address: "10.0.2.3", Check: check(api.HealthCritical)},
		api.AgentServiceRegistration{ID: "ill-4", Name: "ill", Address: "10.0.2.4"},
		api.AgentServiceRegistration{ID: "dead", Name: "dead", Address: "10.0.2.5", Check: check(api.HealthCritical)},
	)
	must(t, client(t).Agent().EnableServiceMaintenance("ill-4", "update"))
	if got := hosts(t, "ill.service.consul"); got != "10.0.2.1 10.0.2.2" {
		t.Errorf("found %s", got)
	}
	absent(t, "dead.service.consul")
}

func TestNodesAndTheZoneItselfAreAnswered(t *testing.T) {
	if got := hosts(t, "node-1.node.consul"); got != "127.0.0.1" {
		t.Errorf("the node is at %s", got)
	}
	texts, err := resolver(t).LookupTXT(context.Background(), "node-1.node.dc1.consul")
	must(t, err)
	if !strings.Contains(strings.Join(texts, " "), "consul-version=") {
		t.Errorf("the node says %v", texts)
	}
	for _, kind := range []uint16{dns.TypeSOA, dns.TypeNS} {
		answer := ask(t, "udp", "consul", kind, nil)
		if len(answer.Answer) != 1 || answer.Answer[0].Header().Rrtype != kind || !answer.Authoritative {
			t.Errorf("the zone answers %v", answer)
		}
	}
}

func TestAddressesHaveTheNamesOfTheirNodeOrTheirServices(t *testing.T) {
	register(t,
		api.AgentServiceRegistration{ID: "back-1", Name: "back", Address: "10.0.6.1", Port: 1},
		api.AgentServiceRegistration{ID: "back-2", Name: "back", Address: "10.0.6.1", Port: 2},
		api.AgentServiceRegistration{ID: "back-3", Name: "other", Address: "10.0.6.1", Port: 3, Namespace: "staging"},
		api.AgentServiceRegistration{ID: "back-6", Name: "back", Address: "fd00:0::6:1", Port: 1},
		api.AgentServiceRegistration{ID: "back-4", Name: "own", Port: 4},
	)
	for address, want := range map[string]string{
		"10.0.6.1":  "back.service.dc1.consul. other.service.staging.ns.dc1.dc.consul.",
		"fd00::6:1": "back.service.dc1.consul.",
	} {
		names, err := resolver(t).LookupAddr(context.Background(), address)
		must(t, err)
		sort.Strings(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s is %s, not %s", address, got, want)
		}
		// What is told can be asked for.
		for _, name := range names {
			if found := hosts(t, name); !strings.Contains(found, address) {
				t.Errorf("%s is at %s, not at %s", name, found, address)
			}
		}
	}
	// The address of a node, which this machine's own files have names for as well.
	answer := ask(t, "udp", "1.0.0.127.in-addr.arpa", dns.TypePTR, nil)
	if len(answer.Answer) != 1 || answer.Answer[0].(*dns.PTR).Ptr != "node-1.node.dc1.consul." {
		t.Errorf("the node's address is %v", answer.Answer)
	}
	_, err := resolver(t).LookupAddr(context.Background(), "10.0.6.99")
	var failed *net.DNSError
	if !errors.As(err, &failed) || !failed.IsNotFound {
		t.Errorf("an address that nobody has: %v", err)
	}
}

func TestAHostNameIsAnAliasAndATarget(t *testing.T) {
	register(t, api.AgentServiceRegistration{Name: "far", Address: "db.example.com", Port: 5432})
	answer := ask(t, "udp", "far.service.consul", dns.TypeA, nil)
	if len(answer.Answer) != 1 || answer.Answer[0].(*dns.CNAME).Target != "db.example.com." {
		t.Errorf("the alias is %v", answer.Answer)
	}
	answer = ask(t, "udp", "far.service.consul", dns.TypeSRV, nil)
	if len(answer.Answer) != 1 || answer.Answer[0].(*dns.SRV).Target != "db.example.com." {
		t.Errorf("the place is %v", answer.Answer)
	}
}

func TestWhatIsNotThereIsSaidWithTheStartOfAuthority(t *testing.T) {
	register(t, api.AgentServiceRegistration{Name: "four", Address: "10.0.3.1"})
	for name, code := range map[string]int{"missing.service.consul": dns.RcodeNameError, "four.service.consul": dns.RcodeSuccess} {
		answer := ask(t, "udp", name, dns.TypeAAAA, nil)
		if answer.Rcode != code || len(answer.Answer) != 0 || len(answer.Ns) != 1 || answer.Ns[0].Header().Rrtype != dns.TypeSOA {
			t.Errorf("%s: %v", name, answer)
		}
	}
}

func TestWhatIsNotOursIsRefused(t *testing.T) {
	for name, question := range map[string]struct {
		change func(*dns.Msg)
		code   int
	}{
		"another zone":  {func(m *dns.Msg) { m.SetQuestion("example.com.", dns.TypeA) }, dns.RcodeRefused},
		"a longer name": {func(m *dns.Msg) { m.SetQuestion("notconsul.", dns.TypeA) }, dns.RcodeRefused},
		"a transfer":    {func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR }, dns.RcodeRefused},
		"another class": {func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		"an update":     {func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		"no question":   {func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		"a later EDNS":  {func(m *dns.Msg) { m.SetEdns0(4096, false); m.IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
	} {
		if answer := ask(t, "udp", "consul", dns.TypeSOA, question.change); answer.Rcode != question.code || len(answer.Answer) != 0 {
			t.Errorf("%s: %v", name, answer)
		}
	}
}

func TestMoreInstancesThanADatagramHoldsComeByTCP(t *testing.T) {
	const count = 600
	for number := range count {
		register(t, api.AgentServiceRegistration{
			ID: fmt.Sprintf("many-%d", number), Name: "many", Port: 1000 + number,
			Address: fmt.Sprintf("10.1.%d.%d", number/250, number%250),
		})
	}
	plain := ask(t, "udp", "many.service.consul", dns.TypeSRV, nil)
	larger := ask(t, "udp", "many.service.consul", dns.TypeSRV, func(m *dns.Msg) { m.SetEdns0(4096, false) })
	for _, answer := range []*dns.Msg{plain, larger} {
		if !answer.Truncated || len(answer.Answer) == 0 {
			t.Errorf("truncated: %v, with %d answers", answer.Truncated, len(answer.Answer))
		}
	}
	plain.Compress, larger.Compress = true, true
	if plain.Len() > 512 || larger.Len() > 4096 || len(larger.Answer) <= len(plain.Answer) || larger.IsEdns0() == nil {
		t.Errorf("512 bytes hold %d answers, 4096 bytes %d", len(plain.Answer), len(larger.Answer))
	}
	whole := ask(t, "tcp", "many.service.consul", dns.TypeSRV, nil)
	if whole.Truncated || len(whole.Answer) != count {
		t.Errorf("by TCP truncated: %v, with %d answers", whole.Truncated, len(whole.Answer))
	}

	_, places, err := resolver(t).LookupSRV(context.Background(), "", "", "many.service.consul")
	must(t, err)
	ports := map[uint16]bool{}
	for _, place := range places {
		ports[place.Port] = true
	}
	if len(ports) != count {
		t.Errorf("Go's resolver finds %d of %d places", len(ports), count)
	}
	if found := strings.Fields(hosts(t, "many.service.consul")); len(found) != count {
		t.Errorf("Go's resolver finds %d of %d addresses", len(found), count)
	}
}

func TestTheOrderChanges(t *testing.T) {
	for number := range 4 {
		register(t, api.AgentServiceRegistration{ID: fmt.Sprintf("any-%d", number), Name: "any", Address: fmt.Sprintf("10.0.4.%d", number)})
	}
	first := map[string]int{}
	for range 100 {
		answer := ask(t, "udp", "any.service.consul", dns.TypeA, nil)
		if ttl := answer.Answer[0].Header().Ttl; ttl != 0 {
			t.Fatalf("the answer may be kept for %d s", ttl)
		}
		first[answer.Answer[0].(*dns.A).A.String()]++
	}
	if len(first) != 4 {
		t.Errorf("first come only %v", first)
	}
}
