package consul

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/api/watch"
)

func TestKeysKeepBytesFlagsAndNames(t *testing.T) {
	kv := client(t).KV()
	for _, suffix := range []string{"", "/app.json", "/a b/c+d", "/100%", "/\u00fc", "/folder/"} {
		pair := &api.KVPair{Key: name(t, suffix), Value: []byte{0, 255, 'a'}, Flags: 1 << 63}
		_, err := kv.Put(pair, nil)
		must(t, err)
		found, meta, err := kv.Get(pair.Key, nil)
		must(t, err)
		if found == nil || !bytes.Equal(found.Value, pair.Value) || found.Flags != pair.Flags || found.Key != pair.Key {
			t.Fatalf("%q: got %+v", pair.Key, found)
		}
		if found.ModifyIndex != meta.LastIndex || found.CreateIndex != found.ModifyIndex {
			t.Fatalf("%q: %+v at index %d", pair.Key, found, meta.LastIndex)
		}
	}
	_, err := kv.Put(&api.KVPair{Key: name(t, "/large"), Value: make([]byte, 512*1024+1)}, nil)
	refused(t, err, 413, "too large")
}

func TestARawValueIsHarmlessInABrowser(t *testing.T) {
	c := client(t)
	key := name(t, "")
	_, err := c.KV().Put(&api.KVPair{Key: key, Value: []byte("<script>")}, nil)
	must(t, err)
	answer := get(t, "/v1/kv/"+key+"?raw")
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	if string(text) != "<script>" || answer.Header.Get("Content-Type") != "text/plain" ||
		answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Content-Security-Policy") != "sandbox" {
		t.Fatalf("%q %v", text, answer.Header)
	}
}

func TestFoldersAreListedAndDeleted(t *testing.T) {
	kv := client(t).KV()
	prefix := name(t, "/")
	for _, key := range []string{"a", "b/1", "b/2", "c/d/e"} {
		_, err := kv.Put(&api.KVPair{Key: prefix + key}, nil)
		must(t, err)
	}
	keys, before, err := kv.Keys(prefix, "/", nil)
	must(t, err)
	if got := strings.ReplaceAll(strings.Join(keys, " "), prefix, ""); got != "a b/ c/" {
		t.Fatalf("keys %q", got)
	}
	_, err = kv.DeleteTree(prefix+"b/", nil)
	must(t, err)
	pairs, after, err := kv.List(prefix, nil)
	must(t, err)
	if len(pairs) != 2 || after.LastIndex <= before.LastIndex {
		t.Fatalf("%d pairs at %d, before %d", len(pairs), after.LastIndex, before.LastIndex)
	}
}

func TestCompareAndSetHasOneWinner(t *testing.T) {
	kv := client(t).KV()
	key := name(t, "")
	created, _, err := kv.CAS(&api.KVPair{Key: key, Value: []byte("1")}, nil)
	must(t, err)
	again, _, err := kv.CAS(&api.KVPair{Key: key, Value: []byte("2")}, nil)
	must(t, err)
	if !created || again {
		t.Fatalf("created %v, again %v", created, again)
	}
	pair, _, err := kv.Get(key, nil)
	must(t, err)
	won := make(chan bool)
	for contender := range 8 {
		go func() {
			ok, _, err := kv.CAS(&api.KVPair{Key: key, Value: fmt.Append(nil, contender), ModifyIndex: pair.ModifyIndex}, nil)
			won <- ok && err == nil
		}()
	}
	winners := 0
	for range 8 {
		if <-won {
			winners++
		}
	}
	if winners != 1 {
		t.Fatalf("%d winners", winners)
	}
	deleted, _, err := kv.DeleteCAS(&api.KVPair{Key: key, ModifyIndex: pair.ModifyIndex}, nil)
	must(t, err)
	if deleted {
		t.Fatal("deleted at an old index")
	}
}

func TestAPrefixIsWatched(t *testing.T) {
	c := client(t)
	prefix := name(t, "/")
	plan, err := watch.Parse(map[string]any{"type": "keyprefix", "prefix": prefix})
	must(t, err)
	seen := make(chan int, 64)
	plan.Handler = func(_ uint64, found any) {
		pairs, _ := found.(api.KVPairs)
		seen <- len(pairs)
	}
	ended := make(chan error, 1)
	go func() { ended <- plan.RunWithClientAndHclog(c, nil) }()
	expect := func(want int) {
		t.Helper()
		late := time.After(deadline)
		for {
			select {
			case got := <-seen:
				if got == want {
					return
				}
			case <-late:
				t.Fatalf("never %d keys", want)
			}
		}
	}
	for number := 1; number <= 3; number++ {
		_, err := c.KV().Put(&api.KVPair{Key: prefix + fmt.Sprint(number)}, nil)
		must(t, err)
		expect(number)
	}
	_, err = c.KV().Delete(prefix+"2", nil)
	must(t, err)
	expect(2)
	plan.Stop()
	must(t, <-ended)
}

func TestALockHasOneHolder(t *testing.T) {
	c := client(t)
	key := name(t, "")
	first, err := c.LockKey(key)
	must(t, err)
	lost, err := first.Lock(nil)
	must(t, err)
	second, err := c.LockOpts(&api.LockOptions{Key: key, LockTryOnce: true, LockWaitTime: 100 * time.Millisecond})
	must(t, err)
	if held, err := second.Lock(nil); err != nil || held != nil {
		t.Fatalf("two holders: %v %v", held, err)
	}
	must(t, first.Unlock())
	select {
	case <-lost:
	case <-time.After(deadline):
		t.Fatal("the holder is not told that it gave up")
	}
	if held, err := second.Lock(nil); err != nil || held == nil {
		t.Fatalf("not free: %v %v", held, err)
	}
	must(t, second.Unlock())
	must(t, second.Destroy())
}

func TestASemaphoreHasSlots(t *testing.T) {
	c := client(t)
	prefix := name(t, "")
	hold := func(once bool) (*api.Semaphore, <-chan struct{}) {
		t.Helper()
		semaphore, err := c.SemaphoreOpts(&api.SemaphoreOptions{
			Prefix: prefix, Limit: 2, SemaphoreTryOnce: once, SemaphoreWaitTime: 100 * time.Millisecond,
		})
		must(t, err)
		held, err := semaphore.Acquire(nil)
		must(t, err)
		return semaphore, held
	}
	a, heldA := hold(false)
	b, heldB := hold(false)
	_, heldC := hold(true)
	if heldA == nil || heldB == nil || heldC != nil {
		t.Fatalf("held %v %v %v", heldA, heldB, heldC)
	}
	must(t, a.Release())
	d, heldD := hold(true)
	if heldD == nil {
		t.Fatal("the slot is not free")
	}
	must(t, b.Release())
	must(t, d.Release())
}

func TestASessionThatEndsGivesItsLocksBack(t *testing.T) {
	c := client(t)
	key := name(t, "")
	id, _, err := c.Session().Create(&api.SessionEntry{TTL: "10s", Behavior: api.SessionBehaviorDelete, LockDelay: time.Nanosecond}, nil)
	must(t, err)
	held, _, err := c.KV().Acquire(&api.KVPair{Key: key, Session: id}, nil)
	must(t, err)
	info, _, err := c.Session().Info(id, nil)
	must(t, err)
	if !held || info == nil || info.TTL != "10s" || len(info.NodeChecks) != 1 || info.NodeChecks[0] != "serfHealth" {
		t.Fatalf("held %v, session %+v", held, info)
	}
	entry, _, err := c.Session().Renew(id, nil)
	must(t, err)
	if entry == nil || entry.ID != id {
		t.Fatalf("renewed %+v", entry)
	}
	_, err = c.Session().Destroy(id, nil)
	must(t, err)
	pair, _, err := c.KV().Get(key, nil)
	must(t, err)
	entry, _, err = c.Session().Renew(id, nil)
	must(t, err)
	if pair != nil || entry != nil {
		t.Fatalf("key %+v, session %+v", pair, entry)
	}
	_, _, err = c.Session().Create(&api.SessionEntry{NodeChecks: []string{"nobody"}}, nil)
	refused(t, err, 400, "Missing check 'nobody' registration")
	_, _, err = c.Session().Create(&api.SessionEntry{TTL: "1s"}, nil)
	refused(t, err, 400, "Invalid Session TTL")
}

// The shortest TTL is 10 s, and an expiry may be late; the lock then stays closed for its delay.
func TestASessionThatIsNotRenewedLosesItsLockAfterTheDelay(t *testing.T) {
	t.Parallel()
	c := client(t)
	key := name(t, "")
	delay := 2 * time.Second
	lost, _, err := c.Session().Create(&api.SessionEntry{TTL: "10s", LockDelay: delay}, nil)
	must(t, err)
	next, _, err := c.Session().Create(&api.SessionEntry{LockDelay: delay}, nil)
	must(t, err)
	acquire := func(session string) bool {
		got, _, err := c.KV().Acquire(&api.KVPair{Key: key, Session: session}, nil)
		must(t, err)
		return got
	}
	if !acquire(lost) {
		t.Fatal("a free lock is not had")
	}
	pair, meta, err := c.KV().Get(key, nil)
	must(t, err)
	for pair.Session != "" {
		pair, meta, err = c.KV().Get(key, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: deadline})
		must(t, err)
		if pair == nil {
			t.Fatal("the key went with its lock")
		}
	}
	freed := time.Now()
	if acquire(next) {
		t.Fatal("the lock opened without a delay")
	}
	for !acquire(next) {
		if time.Since(freed) > deadline {
			t.Fatal("the lock stays closed")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestATransactionIsAllOrNothing(t *testing.T) {
	kv := client(t).KV()
	key := name(t, "/")
	ok, answer, _, err := kv.Txn(api.KVTxnOps{
		{Verb: api.KVSet, Key: key + "a", Value: []byte("1")},
		{Verb: api.KVGet, Key: key + "missing"},
		{Verb: api.KVLock, Key: key + "b"},
	}, nil)
	must(t, err)
	if ok || len(answer.Errors) != 2 || answer.Errors[0].OpIndex != 1 || !strings.Contains(answer.Errors[0].What, "doesn't exist") ||
		!strings.Contains(answer.Errors[1].What, "missing session") {
		t.Fatalf("%v %+v", ok, answer)
	}
	pair, _, err := kv.Get(key+"a", nil)
	must(t, err)
	if pair != nil {
		t.Fatalf("a part remains: %+v", pair)
	}
	ok, answer, _, err = kv.Txn(api.KVTxnOps{
		{Verb: api.KVCheckNotExists, Key: key + "a"},
		{Verb: api.KVSet, Key: key + "a", Value: []byte("1"), Flags: 7},
		{Verb: api.KVGet, Key: key + "a"},
		{Verb: api.KVGetOrEmpty, Key: key + "missing"},
	}, nil)
	must(t, err)
	if !ok || len(answer.Results) != 3 || answer.Results[0].Value != nil || string(answer.Results[1].Value) != "1" ||
		answer.Results[1].Flags != 7 || answer.Results[2].Key != key+"missing" {
		t.Fatalf("%v %+v", ok, answer.Results)
	}
}
