package consul

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// What golens has no use for is said in one sentence, be it part of Consul's API or of nobody's.
func TestEverythingElseIsNotImplemented(t *testing.T) {
	for _, call := range []string{
		"GET /", "GET /ui/", "GET /v1/", "GET /v1/nonsense", "GET /v1/namespaces", "GET /v1/partitions",
		"GET /v1/acl/tokens", "PUT /v1/acl/bootstrap", "GET /v1/connect/ca/roots", "GET /v1/agent/connect/ca/roots",
		"POST /v1/agent/connect/authorize", "GET /v1/query", "POST /v1/query", "GET /v1/query/x/execute",
		"PUT /v1/event/fire/x", "GET /v1/event/list", "GET /v1/coordinate/nodes", "GET /v1/operator/raft/configuration",
		"GET /v1/config/service-defaults", "PUT /v1/config", "GET /v1/discovery-chain/web", "GET /v1/internal/ui/services",
		"POST /v1/peering/token", "GET /v1/peerings", "GET /v1/exported-services", "GET /v1/license", "GET /v1/catalog/nonsense",
	} {
		status, text, _ := do(t, call)
		_, path, _ := strings.Cut(call, " ")
		if status != http.StatusNotImplemented || text != path+" is not part of golens' Consul API" {
			t.Errorf("%s: %d %q", call, status, text)
		}
	}
}

func TestMethodsThatAPathHasNotAreRefused(t *testing.T) {
	for call, allowed := range map[string]string{
		"POST /v1/health/service/web": "GET",
		"DELETE /v1/catalog/services": "GET,PUT",
		"POST /v1/kv/a":               "GET,PUT,DELETE",
		"GET /v1/txn":                 "PUT",
	} {
		status, text, headers := do(t, call)
		if status != http.StatusMethodNotAllowed || !strings.Contains(text, "not allowed") || headers.Get("Allow") != allowed {
			t.Errorf("%s: %d %q, allowed %q", call, status, text, headers.Get("Allow"))
		}
	}
	if status, _, headers := do(t, "OPTIONS /v1/kv/a"); status != http.StatusOK || headers.Get("Allow") != "GET,PUT,DELETE" {
		t.Errorf("OPTIONS: %d, allowed %q", status, headers.Get("Allow"))
	}
	// Consul says so where nobody turned it on; JSON would be no answer for a scraper.
	if status, text, _ := do(t, "GET /v1/agent/metrics?format=prometheus"); status != http.StatusUnsupportedMediaType {
		t.Errorf("metrics for Prometheus: %d %q", status, text)
	}
}

// do sends `METHOD PATH`.
func do(t *testing.T, call string) (int, string, http.Header) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	request, err := http.NewRequest(method, "http://"+os.Getenv(api.HTTPAddrEnvName)+path, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(text), answer.Header
}
