// Package viper reads configurations from golens through viper's remote provider, which is sagikazarmark/crypt.
package viper

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/spf13/viper"
	_ "github.com/spf13/viper/remote"

	"golens.test/targets/clients/internal/golens"
)

// deadline bounds every wait for something that is expected to happen.
const deadline = 30 * time.Second

func TestARemoteConfigurationIsReadAndFollowed(t *testing.T) {
	server := golens.Start(t)
	put := func(text string) {
		_, err := server.Client.KV().Put(&api.KVPair{Key: "config/shop.json", Value: []byte(text)}, nil)
		golens.Must(t, err)
	}
	put(`{"port": 8080, "hostname": "a"}`)
	remote := viper.New()
	golens.Must(t, remote.AddRemoteProvider("consul", server.Consul, "config/shop.json"))
	remote.SetConfigType("json")
	golens.Must(t, remote.ReadRemoteConfig())
	if port := remote.GetInt("port"); port != 8080 {
		t.Errorf("the port is %d", port)
	}

	put(`{"port": 8081, "hostname": "a"}`)
	golens.Must(t, remote.WatchRemoteConfig())
	if port := remote.GetInt("port"); port != 8081 {
		t.Errorf("read again, the port is %d", port)
	}

	golens.Must(t, remote.WatchRemoteConfigOnChannel())
	put(`{"port": 8082, "hostname": "b"}`)
	for end := time.Now().Add(deadline); remote.GetInt("port") != 8082; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the change was not told: the port is %d", remote.GetInt("port"))
		}
	}
}

func TestAMissingKeyIsAnError(t *testing.T) {
	server := golens.Start(t)
	remote := viper.New()
	golens.Must(t, remote.AddRemoteProvider("consul", server.Consul, "config/nobody"))
	remote.SetConfigType("yaml")
	if err := remote.ReadRemoteConfig(); err == nil {
		t.Error("there is a configuration")
	}
}
