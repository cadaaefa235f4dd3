// Package consul runs the unmodified Go client of Consul against the server whose address is in CONSUL_HTTP_ADDR.
//
// All tests share that server, so each uses names of its own.
package consul

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// deadline bounds every wait for something that is expected to happen.
const deadline = 20 * time.Second

// client connects to the server under test.
func client(t *testing.T) *api.Client {
	t.Helper()
	if os.Getenv(api.HTTPAddrEnvName) == "" {
		t.Fatalf("%s is not set", api.HTTPAddrEnvName)
	}
	c, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// name makes a name that no other test uses.
func name(t *testing.T, suffix string) string {
	t.Helper()
	return strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")) + suffix
}

// must ends the test when something failed that should not.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused asserts the status and a part of the text of an error.
func refused(t *testing.T, err error, status int, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %d %q", status, text)
	}
	var code int
	if failed, ok := err.(api.StatusError); ok {
		code = failed.Code
	}
	if code != status || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %d %q", err, status, text)
	}
}

// ids lists the instances of an answer.
func ids(entries []*api.ServiceEntry) string {
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Service.ID)
	}
	return strings.Join(found, " ")
}

// get reads a path with plain HTTP.
func get(t *testing.T, path string) *http.Response {
	t.Helper()
	answer, err := http.Get("http://" + os.Getenv(api.HTTPAddrEnvName) + path)
	must(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}
