// Package documents reads documents of a node with unmodified clients of Consul's key-value API.
//
// GOLENS_KEYS is the address of the API; GOLENS_MAPS is a folder with a ConfigMap for each document of the
// namespace dev, which the node watches and the tests change.
package documents

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	configconsul "github.com/go-kratos/kratos/contrib/config/consul/v2"
	"github.com/go-kratos/kratos/v2/config"
	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
	"github.com/spf13/viper"
	_ "github.com/spf13/viper/remote"
)

// deadline bounds every wait for something that is expected to happen.
const deadline = 30 * time.Second

func address() string { return os.Getenv("GOLENS_KEYS") }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// swap puts a new version of a document's ConfigMap in place of the one before, as kubelet does.
func swap(t *testing.T, document string, version int) {
	t.Helper()
	folder := filepath.Join(os.Getenv("GOLENS_MAPS"), document)
	name := fmt.Sprintf("..%d", version)
	must(t, os.Mkdir(filepath.Join(folder, name), 0o755))
	text := fmt.Sprintf("server:\n  port: %d\n", version)
	must(t, os.WriteFile(filepath.Join(folder, name, "app.yaml"), []byte(text), 0o644))
	old, err := os.Readlink(filepath.Join(folder, "..data"))
	must(t, err)
	must(t, os.Symlink(name, filepath.Join(folder, "..data_tmp")))
	must(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
	must(t, os.RemoveAll(filepath.Join(folder, old)))
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(deadline):
		t.Fatal("nothing was told")
		panic("unreachable")
	}
}

func TestViperReadsAndFollowsADocument(t *testing.T) {
	remote := viper.New()
	must(t, remote.AddRemoteProvider("consul", address(), "golens/config/dev/viper.json"))
	remote.SetConfigType("json")
	must(t, remote.ReadRemoteConfig())
	if port := remote.GetInt("server.port"); port != 1 {
		t.Errorf("the port is %d", port)
	}
	must(t, remote.WatchRemoteConfigOnChannel())
	for version := 2; version <= 4; version++ {
		swap(t, "viper", version)
		for end := time.Now().Add(deadline); remote.GetInt("server.port") != version; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("version %d was not told: the port is %d", version, remote.GetInt("server.port"))
			}
		}
	}

	// JSON is YAML, for who says so.
	yaml := viper.New()
	must(t, yaml.AddRemoteProvider("consul", address(), "golens/config/dev/viper.json"))
	yaml.SetConfigType("yaml")
	must(t, yaml.ReadRemoteConfig())
	if port := yaml.GetInt("server.port"); port != 4 {
		t.Errorf("as YAML, the port is %d", port)
	}
	missing := viper.New()
	must(t, missing.AddRemoteProvider("consul", address(), "golens/config/dev/nobody.json"))
	missing.SetConfigType("json")
	if err := missing.ReadRemoteConfig(); err == nil {
		t.Error("a document that is not there was read")
	}
}

// plan runs a watch of Consul's own and returns what its handler is given.
func plan(t *testing.T, parameters map[string]any) <-chan any {
	t.Helper()
	plan, err := watch.Parse(parameters)
	must(t, err)
	told := make(chan any, 16)
	plan.Handler = func(_ uint64, value any) { told <- value }
	ended := make(chan error, 1)
	go func() { ended <- plan.Run(address()) }()
	t.Cleanup(func() {
		plan.Stop()
		must(t, <-ended)
	})
	return told
}

func TestAPlanIsToldEveryChangeAndNoOther(t *testing.T) {
	key := plan(t, map[string]any{"type": "key", "key": "golens/config/dev/plan.json"})
	prefix := plan(t, map[string]any{"type": "keyprefix", "prefix": "golens/config/dev/plan"})
	says := func(version int) {
		t.Helper()
		want := fmt.Sprintf(`{"server":{"port":%d}}`, version)
		if pair := next(t, key).(*api.KVPair); string(pair.Value) != want {
			t.Errorf("the key says %s, not %s", pair.Value, want)
		}
		pairs := next(t, prefix).(api.KVPairs)
		if len(pairs) != 1 || string(pairs[0].Value) != want {
			t.Errorf("the prefix says %v, not %s", pairs, want)
		}
	}
	says(1)
	for version := 2; version <= 4; version++ {
		// A change of another document comes first: it tells nobody.
		swap(t, "other", version)
		follow(t, "other", version)
		swap(t, "plan", version)
		says(version)
	}
	if len(key) != 0 || len(prefix) != 0 {
		t.Errorf("%d and %d more were told", len(key), len(prefix))
	}
}

// follow waits until a document has a version.
func follow(t *testing.T, document string, version int) {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: address()})
	must(t, err)
	want := fmt.Sprintf(`{"server":{"port":%d}}`, version)
	var index uint64
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		pair, meta, err := client.KV().Get("golens/config/dev/"+document+".json",
			&api.QueryOptions{WaitIndex: index, WaitTime: deadline})
		must(t, err)
		if string(pair.Value) == want {
			return
		}
		if meta.LastIndex <= index {
			t.Fatalf("the index went from %d to %d", index, meta.LastIndex)
		}
		index = meta.LastIndex
	}
	t.Fatalf("%s was not read", want)
}

func TestKratosLoadsAndFollowsADocument(t *testing.T) {
	client, err := api.NewClient(&api.Config{Address: address()})
	must(t, err)
	source, err := configconsul.New(client, configconsul.WithPath("golens/config/dev/kratos"))
	must(t, err)
	loaded := config.New(config.WithSource(source))
	defer loaded.Close()
	must(t, loaded.Load())
	if port, err := loaded.Value("server.port").Int(); err != nil || port != 1 {
		t.Fatalf("the port is %d, %v", port, err)
	}
	changed := make(chan int64, 16)
	must(t, loaded.Watch("server.port", func(_ string, value config.Value) {
		port, _ := value.Int()
		changed <- port
	}))
	for version := 2; version <= 4; version++ {
		swap(t, "kratos", version)
		if port := next(t, changed); port != int64(version) {
			t.Errorf("the port changed to %d, not %d", port, version)
		}
	}
}
