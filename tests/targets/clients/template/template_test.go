// Package template lets HashiCorp's consul-template, unmodified, write files from what golens knows.
package template

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"golens.test/targets/clients/internal/golens"
)

// deadline bounds every wait for something that is expected to happen.
const deadline = 30 * time.Second

const source = `datacenters {{ range datacenters }}{{ . }} {{ end }}
{{ range services }}{{ .Name }} {{ .Tags }}
{{ end -}}
{{ range service "shop" }}{{ .ID }} {{ .Address }}:{{ .Port }} {{ .Status }} on {{ .Node }}
{{ end -}}
v1: {{ range service "v1.shop@dc1~_agent|any" }}{{ .ID }} {{ end }}
{{ range nodes }}{{ .Node }} {{ end }}has {{ with node }}{{ range .Services }}{{ .ID }} {{ end }}{{ end }}
mode {{ key "config/mode" }}, color {{ keyOrDefault "config/color" "none" }}
{{ range tree "config" }}{{ .Key }}={{ .Value }} {{ end }}
`

const first = `datacenters dc1 
consul []
shop [v1]
shop-1 10.0.0.1:80 passing on node-1
v1: shop-1 
node-1 has consul shop-1 
mode fast, color none
mode=fast 
`

const second = `datacenters dc1 
consul []
shop [v1 v2]
shop-2 10.0.0.2:80 passing on node-1
v1: shop-1 
node-1 has consul shop-1 shop-2 
mode slow, color red
color=red mode=slow 
`

func TestFilesFollowServicesAndKeys(t *testing.T) {
	folder := t.TempDir()
	program, from, to := filepath.Join(folder, "consul-template"), filepath.Join(folder, "in"), filepath.Join(folder, "out")
	printed, err := exec.Command("go", "build", "-o", program, "github.com/hashicorp/consul-template").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	golens.Must(t, os.WriteFile(from, []byte(source), 0o600))

	server := golens.Start(t)
	agent := server.Client.Agent()
	register := func(id, address, tag string) {
		golens.Must(t, agent.ServiceRegister(&api.AgentServiceRegistration{
			ID: id, Name: "shop", Address: address, Port: 80, Tags: []string{tag},
			Check: &api.AgentServiceCheck{TTL: "1h", Status: api.HealthPassing},
		}))
	}
	put := func(key, value string) {
		_, err := server.Client.KV().Put(&api.KVPair{Key: key, Value: []byte(value)}, nil)
		golens.Must(t, err)
	}
	register("shop-1", "10.0.0.1", "v1")
	put("config/mode", "fast")

	var complaints bytes.Buffer
	command := exec.Command(program, "-consul-addr", server.Consul, "-template", from+":"+to)
	command.Stderr = &complaints
	golens.Must(t, command.Start())
	end := func() {
		_ = command.Process.Kill() // It would go on for ever.
		_ = command.Wait()
	}
	defer end()
	await := func(want string) {
		t.Helper()
		for late := time.Now().Add(deadline); ; time.Sleep(20 * time.Millisecond) {
			got, _ := os.ReadFile(to) // It may not be there yet.
			if string(got) == want {
				return
			}
			if time.Now().After(late) {
				end()
				t.Fatalf("it wrote\n%s\nnot\n%s\n%s", got, want, complaints.String())
			}
		}
	}
	await(first)
	register("shop-2", "10.0.0.2", "v2")
	golens.Must(t, agent.FailTTL("service:shop-1", ""))
	put("config/mode", "slow")
	put("config/color", "red")
	await(second)
}
