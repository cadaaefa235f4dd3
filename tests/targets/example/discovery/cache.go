// Package discovery is the caller's side: it knows the instances of a service from a cache that the registry keeps
// fresh, so that a call never waits for the registry, and goes on when there is none.
package discovery

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
)

// pull is the longest time without an answer of the registry: it answers then even if nothing changed.
const pull = 30 * time.Second

// retry is the time between two questions to a registry that does not answer.
const retry = 200 * time.Millisecond

// Cache holds the instances of one service that are well.
type Cache struct {
	instances atomic.Pointer[[]*api.ServiceEntry]
	failing   atomic.Bool
}

// Follow fills a cache now, and keeps it until ctx ends.
func Follow(ctx context.Context, registry *api.Client, service string) (*Cache, error) {
	cache := &Cache{}
	index, err := cache.ask(ctx, registry, service, 0)
	if err != nil {
		return nil, err
	}
	go cache.follow(ctx, registry, service, index)
	return cache, nil
}

// follow asks again and again; the registry answers when something changed.
func (c *Cache) follow(ctx context.Context, registry *api.Client, service string, index uint64) {
	for ctx.Err() == nil {
		next, err := c.ask(ctx, registry, service, index)
		c.failing.Store(err != nil)
		if err != nil {
			wait(ctx, retry)
			continue
		}
		index = next
	}
}

func (c *Cache) ask(ctx context.Context, registry *api.Client, service string, index uint64) (uint64, error) {
	options := (&api.QueryOptions{WaitIndex: index, WaitTime: pull}).WithContext(ctx)
	instances, meta, err := registry.Health().Service(service, "", true, options)
	if err != nil {
		return 0, err
	}
	c.instances.Store(&instances)
	return meta.LastIndex, nil
}

func wait(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

// Failing tells whether the registry left the last question unanswered.
func (c *Cache) Failing() bool { return c.failing.Load() }

// Ids lists the instances that a call with this tag may use: those that have it, else all of the namespace.
func (c *Cache) Ids(tag string) []string {
	var tagged, all []string
	for _, entry := range *c.instances.Load() {
		all = append(all, entry.Service.ID)
		if slices.Contains(entry.Service.Tags, tag) {
			tagged = append(tagged, entry.Service.ID)
		}
	}
	if len(tagged) > 0 {
		all = tagged
	}
	slices.Sort(all)
	return all
}
