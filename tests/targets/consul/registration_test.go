package consul

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// The registration of the seed's chapter 2 is stored, echoed and found.
func TestARegistrationIsFoundAsItWasMade(t *testing.T) {
	c := client(t)
	id := name(t, "-1")
	service := name(t, "")
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: id, Name: service, Address: "192.168.1.10", Port: 8080,
		Tags: []string{"v1", "canary"},
		Meta: map[string]string{"Team": "a b"},
		TaggedAddresses: map[string]api.ServiceAddress{
			"grpc": {Address: "grpc://192.168.1.10:9000", Port: 9000},
		},
		Check: &api.AgentServiceCheck{
			TTL: "20s", Status: api.HealthPassing, DeregisterCriticalServiceAfter: "30s",
		},
	}))
	entries, meta, err := c.Health().Service(service, "", true, nil)
	must(t, err)
	if ids(entries) != id {
		t.Fatalf("found %q", ids(entries))
	}
	found := entries[0]
	if found.Service.Address != "192.168.1.10" || found.Service.Port != 8080 ||
		found.Service.TaggedAddresses["grpc"].Address != "grpc://192.168.1.10:9000" ||
		found.Service.Meta["Team"] != "a b" || found.Service.Weights.Passing != 1 ||
		len(found.Service.Tags) != 2 || found.Service.Tags[1] != "canary" {
		t.Fatalf("found %+v", found.Service)
	}
	check := found.Checks[len(found.Checks)-1]
	if check.CheckID != "service:"+id || check.Name != "Service '"+service+"' check" || check.Type != "ttl" ||
		check.Definition.DeregisterCriticalServiceAfterDuration != 30*time.Second {
		t.Fatalf("found %+v", check)
	}
	if meta.LastIndex < 2 || !meta.KnownLeader {
		t.Fatalf("meta %+v", meta)
	}
	must(t, c.Agent().ServiceDeregister(id))
	entries, _, err = c.Health().Service(service, "", false, nil)
	must(t, err)
	if len(entries) != 0 {
		t.Fatalf("found %q after deregistration", ids(entries))
	}
	refused(t, c.Agent().ServiceDeregister(id), 404, "Unknown service ID")
}

func TestChecksOfEveryKindAreEchoed(t *testing.T) {
	c := client(t)
	id := name(t, "")
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{
		Name: id,
		Checks: api.AgentServiceChecks{
			{HTTP: "http://127.0.0.1:1/health", Interval: "10s", Timeout: "2s", Method: "POST",
				Header: map[string][]string{"X-Id": {"a", "b"}}},
			{TCP: "127.0.0.1:1", Interval: "10s"},
			{GRPC: "127.0.0.1:1/x", GRPCUseTLS: true, TLSSkipVerify: true, Interval: "10s"},
			{CheckID: id + "-own", TTL: "90s", Notes: "a note"},
		},
	}))
	checks, err := c.Agent().Checks()
	must(t, err)
	for suffix, kind := range map[string]string{":1": "http", ":2": "tcp", ":3": "grpc"} {
		if checks["service:"+id+suffix] == nil || checks["service:"+id+suffix].Type != kind {
			t.Fatalf("check %s is %+v", suffix, checks["service:"+id+suffix])
		}
	}
	http := checks["service:"+id+":1"].Definition
	if http.HTTP != "http://127.0.0.1:1/health" || http.Method != "POST" || http.Header["X-Id"][1] != "b" ||
		http.IntervalDuration != 10*time.Second || http.TimeoutDuration != 2*time.Second {
		t.Fatalf("definition %+v", http)
	}
	if own := checks[id+"-own"]; own == nil || own.Notes != "a note" || own.Status != api.HealthCritical {
		t.Fatalf("own check %+v", own)
	}
	must(t, c.Agent().ServiceDeregister(id))
}

func TestTheStatusOfATTLCheckIsThatOfTheLastReport(t *testing.T) {
	c := client(t)
	id := name(t, "")
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{
		Name: id, Check: &api.AgentServiceCheck{TTL: "60s"},
	}))
	check := "service:" + id
	for _, report := range []struct{ status, output string }{
		{api.HealthWarning, "hot"}, {api.HealthPassing, "fine"}, {api.HealthCritical, "down"}, {api.HealthPassing, "up"},
	} {
		must(t, c.Agent().UpdateTTL(check, report.output, report.status))
		checks, err := c.Agent().Checks()
		must(t, err)
		if checks[check].Status != report.status || checks[check].Output != report.output {
			t.Fatalf("after %v: %+v", report, checks[check])
		}
	}
	must(t, c.Agent().PassTTL(check, "note"))
	status, info, err := c.Agent().AgentHealthServiceByID(id)
	must(t, err)
	if status != api.HealthPassing || info.AggregatedStatus != api.HealthPassing {
		t.Fatalf("status %q %+v", status, info)
	}
	refused(t, c.Agent().UpdateTTL("nobody", "", api.HealthPassing), 404, "Unknown check ID")
	must(t, c.Agent().ServiceDeregister(id))
}

// A second registration keeps the checks unless it says otherwise.
func TestReplacingChecksIsAsked(t *testing.T) {
	c := client(t)
	id := name(t, "")
	with := &api.AgentServiceRegistration{
		Name: id, Check: &api.AgentServiceCheck{TTL: "60s", Status: api.HealthPassing},
	}
	without := &api.AgentServiceRegistration{Name: id, Port: 1}
	has := func() bool {
		checks, err := c.Agent().Checks()
		must(t, err)
		return checks["service:"+id] != nil
	}
	must(t, c.Agent().ServiceRegister(with))
	must(t, c.Agent().ServiceRegister(without))
	if !has() {
		t.Fatal("the check is gone")
	}
	must(t, c.Agent().ServiceRegisterOpts(without, api.ServiceRegisterOpts{ReplaceExistingChecks: true}))
	if has() {
		t.Fatal("the check is still there")
	}
	must(t, c.Agent().ServiceDeregister(id))
}

func TestWhatCannotBeRegisteredIsRefusedWithAReason(t *testing.T) {
	c := client(t)
	register := func(check api.AgentServiceCheck) error {
		return c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: name(t, ""), Check: &check})
	}
	refused(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{}), 400, "Missing service name")
	refused(t, register(api.AgentServiceCheck{TTL: "1s", Status: "fluffy"}), 400, "Status for checks must")
	refused(t, register(api.AgentServiceCheck{TTL: "soon"}), 400, `invalid duration "soon"`)
	refused(t, register(api.AgentServiceCheck{HTTP: "http://x"}), 400, "Interval must be > 0")
	refused(t, register(api.AgentServiceCheck{TTL: "1s", Interval: "1s"}), 400, "Interval and TTL cannot both be specified")
	refused(t, register(api.AgentServiceCheck{Args: []string{"sh"}, Interval: "1s"}), 400, "do not exist here")
	services, err := c.Agent().Services()
	must(t, err)
	if services[name(t, "")] != nil {
		t.Fatal("a refused registration was kept")
	}
}

func TestMaintenanceHidesAnInstanceAndANode(t *testing.T) {
	c := client(t)
	id := name(t, "")
	must(t, c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: id}))
	passing := func() int {
		entries, _, err := c.Health().Service(id, "", true, nil)
		must(t, err)
		return len(entries)
	}
	must(t, c.Agent().EnableServiceMaintenance(id, "broken"))
	checks, err := c.Agent().ChecksWithFilter("CheckID == `_service_maintenance:" + id + "`")
	must(t, err)
	if len(checks) != 1 || checks["_service_maintenance:"+id].Notes != "broken" || passing() != 0 {
		t.Fatalf("checks %+v, %d passing", checks, passing())
	}
	status, _, err := c.Agent().AgentHealthServiceByID(id)
	must(t, err)
	if status != api.HealthCritical && status != api.HealthMaint {
		t.Fatalf("status %q", status)
	}
	must(t, c.Agent().DisableServiceMaintenance(id))
	if passing() != 1 {
		t.Fatal("the instance did not come back")
	}
	must(t, c.Agent().EnableNodeMaintenance("moving"))
	if passing() != 0 {
		t.Fatal("the node is still used")
	}
	must(t, c.Agent().DisableNodeMaintenance())
	if passing() != 1 {
		t.Fatal("the node did not come back")
	}
	must(t, c.Agent().ServiceDeregister(id))
}
