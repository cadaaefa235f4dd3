// Reads namespaces with agollo and prints one JSON line for each that is loaded and each that changes.
//
// Arguments: address, application, namespaces with commas between, label, access key (may be empty), folder
// of the local cache.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/apolloconfig/agollo/v4"
	"github.com/apolloconfig/agollo/v4/env/config"
	"github.com/apolloconfig/agollo/v4/storage"
)

type line struct {
	Event     string            `json:"event"`
	Namespace string            `json:"namespace"`
	Values    map[string]string `json:"values"`
}

var printing sync.Mutex

func say(event, namespace string, values map[string]string) {
	printing.Lock()
	defer printing.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line{event, namespace, values}); err != nil {
		os.Exit(1)
	}
}

type listener struct{}

func (listener) OnChange(event *storage.ChangeEvent) {
	values := map[string]string{}
	for key, change := range event.Changes {
		values[key] = fmt.Sprint(change.NewValue)
	}
	say("changed", event.Namespace, values)
}

func (listener) OnNewestChange(*storage.FullChangeEvent) {}

func main() {
	arguments := os.Args[1:]
	client, err := agollo.StartWithConfig(func() (*config.AppConfig, error) {
		return &config.AppConfig{
			IP:               arguments[0],
			AppID:            arguments[1],
			Cluster:          "default",
			NamespaceName:    arguments[2],
			Label:            arguments[3],
			Secret:           arguments[4],
			IsBackupConfig:   true,
			BackupConfigPath: arguments[5],
		}, nil
	})
	if err != nil {
		say("failed: "+err.Error(), "", nil)
		os.Exit(1)
	}
	client.AddChangeListener(listener{})
	for _, namespace := range strings.Split(arguments[2], ",") {
		values := map[string]string{}
		if loaded := client.GetConfig(namespace); loaded != nil {
			loaded.GetCache().Range(func(key, value any) bool {
				values[fmt.Sprint(key)] = fmt.Sprint(value)
				return true
			})
		}
		say("loaded", namespace, values)
	}
	select {}
}
